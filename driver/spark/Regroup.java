// SPDX-License-Identifier: MIT
//
// Regroup: partitions put together from partitions of a parent, in an order of
// our own. Spark lets a PartitionCoalescer decide that, and wants it
// serializable: by a type of Scala's own in Scala 2.12 (Spark 3.5), which is not
// there in 2.13 (Spark 4). A proxy is of all types that are there.
package elephas.spark;

import java.io.Serializable;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.Partition;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.rdd.PartitionCoalescer;
import org.apache.spark.rdd.PartitionGroup;
import org.apache.spark.rdd.RDD;
import scala.Option;

final class Regroup implements InvocationHandler, Serializable {
    private static final long serialVersionUID = 1;
    private static final String SCALA_2_12 = "scala.Serializable";

    private final int[][] groups; // indices of the parent's partitions

    private Regroup(int[][] groups) {
        this.groups = groups;
    }

    /** Partition i is made of the partitions groups[i], in that order. */
    static <R> JavaRDD<R> by(JavaRDD<R> rows, int[][] groups) {
        ClassLoader loader = Regroup.class.getClassLoader();
        List<Class<?>> types = new ArrayList<>(List.of(PartitionCoalescer.class,
                Serializable.class));
        try {
            types.add(Class.forName(SCALA_2_12, false, loader));
        } catch (ClassNotFoundException e) {
            // then the one of Java is meant
        }
        Object proxy = Proxy.newProxyInstance(loader, types.toArray(new Class<?>[0]),
                new Regroup(groups));
        RDD<R> all = rows.rdd().coalesce(groups.length, false,
                Option.apply((PartitionCoalescer) proxy), null);
        return new JavaRDD<>(all, rows.classTag());
    }

    @Override
    public Object invoke(Object proxy, Method method, Object[] args) throws Throwable {
        return method.getName().equals("coalesce") ? groups((RDD<?>) args[1])
                : method.invoke(this, args);
    }

    @SuppressWarnings("deprecation")
    private PartitionGroup[] groups(RDD<?> parent) {
        PartitionGroup[] out = new PartitionGroup[groups.length];
        for (int i = 0; i < groups.length; i++) {
            out[i] = new PartitionGroup(Option.apply(
                    place(parent, parent.partitions()[groups[i][0]])));
            // the same signature in Scala 2.12 and 2.13
            List<Partition> list = scala.collection.JavaConverters
                    .bufferAsJavaList(out[i].partitions());
            for (int index : groups[i]) {
                list.add(parent.partitions()[index]);
            }
        }
        return out;
    }

    /** Where it is best computed, or null. The type that is returned has changed. */
    @SuppressWarnings("deprecation")
    private static String place(RDD<?> rows, Partition partition) {
        try {
            Object places = RDD.class.getMethod("preferredLocations", Partition.class)
                    .invoke(rows, partition);
            List<?> list = scala.collection.JavaConverters
                    .seqAsJavaList((scala.collection.Seq<?>) places);
            return list.isEmpty() ? null : (String) list.get(0);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }
}
