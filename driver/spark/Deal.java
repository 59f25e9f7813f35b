// SPDX-License-Identifier: MIT
//
// Deal: gives the rows of a data set to N partitions so that nothing depends on
// which executor was faster: every row carries its number in the data, and a
// partition is sorted by it. In turn (row i to partition i mod N, as the local
// engine does) for training and evaluation; in runs for prediction, whose
// output then has the order of the input.
package elephas.spark;

import java.util.Iterator;
import java.util.List;
import org.apache.spark.Partitioner;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import scala.Tuple2;

final class Deal {
    private Deal() {
    }

    /** Rows of each partition. */
    static <R> long[] count(JavaRDD<R> rows) {
        List<Long> counts = rows.mapPartitions(it -> {
            long n = 0;
            while (it.hasNext()) {
                it.next();
                n++;
            }
            return List.of(n).iterator();
        }).collect();
        return counts.stream().mapToLong(Long::longValue).toArray();
    }

    static <R> JavaRDD<R> inTurn(JavaRDD<R> rows, int n, long[] counts) {
        return deal(rows, counts, new Turns(n));
    }

    static <R> JavaRDD<R> inRuns(JavaRDD<R> rows, int n, long[] counts) {
        long all = 0;
        for (long c : counts) {
            all += c;
        }
        return deal(rows, counts, new Runs(n, all));
    }

    private static <R> JavaRDD<R> deal(JavaRDD<R> rows, long[] counts, Partitioner to) {
        long[] first = new long[counts.length];
        for (int i = 1; i < counts.length; i++) {
            first[i] = first[i - 1] + counts[i - 1];
        }
        JavaRDD<Tuple2<Long, R>> numbered = rows.mapPartitionsWithIndex(
                (partition, it) -> number(first[partition], it), true);
        return JavaPairRDD.fromJavaRDD(numbered).repartitionAndSortWithinPartitions(to).values();
    }

    private static <R> Iterator<Tuple2<Long, R>> number(long first, Iterator<R> rows) {
        return new Iterator<>() {
            private long next = first;

            @Override
            public boolean hasNext() {
                return rows.hasNext();
            }

            @Override
            public Tuple2<Long, R> next() {
                return new Tuple2<>(next++, rows.next());
            }
        };
    }

    private static final class Turns extends Partitioner {
        private static final long serialVersionUID = 1;
        private final int n;

        Turns(int n) {
            this.n = n;
        }

        @Override
        public int numPartitions() {
            return n;
        }

        @Override
        public int getPartition(Object key) {
            return (int) ((Long) key % n);
        }
    }

    private static final class Runs extends Partitioner {
        private static final long serialVersionUID = 1;
        private final int n;
        private final long all;

        Runs(int n, long all) {
            this.n = n;
            this.all = Math.max(1, all);
        }

        @Override
        public int numPartitions() {
            return n;
        }

        @Override
        public int getPartition(Object key) {
            return (int) ((double) (Long) key / all * n);
        }
    }
}
