// SPDX-License-Identifier: MIT
//
// Pipes: Spark's pipe() around a worker, with an exchange begun in each task
// before the worker is started. zipPartitions() asks its two sides in order, on
// the task's thread, which is what puts the one before the other.
package elephas.spark;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;

final class Pipes {
    private static final int BUFFER = 256 * 1024;

    private Pipes() {
    }

    /** The lines that workers write for these lines. */
    static JavaRDD<String> through(JavaSparkContext spark, JavaRDD<String> lines,
            Order order, String verb) {
        int n = lines.getNumPartitions();
        JavaRDD<Integer> begin = spark.parallelize(Collections.nCopies(n, 0), n)
                .mapPartitions(Pipes::begin, true);
        List<String> command = new ArrayList<>(order.worker);
        command.add(verb);
        JavaRDD<String> piped = lines.pipe(command, environment(spark, order), false, BUFFER, "UTF-8");
        return begin.zipPartitions(piped, (ignored, out) ->
                new WorkerOutput(Exchange.current(), out));
    }

    private static Iterator<Integer> begin(Iterator<Integer> ignored) {
        Exchange.begin();
        return Collections.emptyIterator();
    }

    /**
     * A worker may use the cores that Spark gives its task, no more, and loads the
     * plug-ins that came along (common/model/plugins.h).
     */
    private static Map<String, String> environment(JavaSparkContext spark, Order order) {
        Map<String, String> out = new HashMap<>();
        String cores = spark.getConf().get("spark.task.cpus", "1");
        out.put("OPENBLAS_NUM_THREADS", cores);
        out.put("OMP_NUM_THREADS", cores);
        if (!order.plugins.isEmpty()) {
            out.put("ELEPHAS_SHIPPED_PLUGINS", String.join(":", order.plugins));
        }
        return out;
    }
}
