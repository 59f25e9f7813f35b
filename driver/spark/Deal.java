// SPDX-License-Identifier: MIT
//
// Deal: gives the rows of a data set to N partitions so that nothing depends on
// which executor was faster. In turn (row i to partition i mod N, as the local
// engine does) for training and evaluation; in runs for prediction, whose
// output then has the order of the input.
//
// There are two ways. In a shuffle every row carries its number in the data, and
// a partition is sorted by it: each row is read twice (rows are counted before)
// and moved once. Or every task reads all of the data and keeps its own rows:
// nothing is counted, moved, sorted or written to disk, and a lost executor
// takes nothing with it. That is the better way for few partitions, and it
// needs data that read the same each time.
package elephas.spark;

import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.stream.IntStream;
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

    /** The same, by reading all of the rows in each of the n tasks. */
    static <R> JavaRDD<R> inTurnOfAll(JavaRDD<R> rows, int n) {
        int[] all = IntStream.range(0, rows.getNumPartitions()).toArray();
        int[][] everywhere = new int[n][];
        Arrays.fill(everywhere, all);
        return Regroup.by(rows, everywhere).mapPartitionsWithIndex(
                (partition, it) -> new Nth<>(it, partition, n), true);
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

    /** Of n rows the one with this number, from 0; of the next n the same. */
    private static final class Nth<R> implements Iterator<R> {
        private final Iterator<R> rows;
        private final int n;
        private int skip;

        Nth(Iterator<R> rows, int number, int n) {
            this.rows = rows;
            this.n = n;
            this.skip = number;
        }

        @Override
        public boolean hasNext() {
            while (skip > 0 && rows.hasNext()) {
                rows.next();
                skip--;
            }
            return skip == 0 && rows.hasNext();
        }

        @Override
        public R next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            skip = n - 1;
            return rows.next();
        }
    }
}
