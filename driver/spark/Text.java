// SPDX-License-Identifier: MIT
//
// Text: rows that are lines of text and go to the worker as they are: csv,
// libsvm, json and b64 files, with no DataFrame in between. Header lines are taken
// out of every file and put in front of every partition instead.
package elephas.spark;

import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;

final class Text {
    /** Less than this is read by one task: counting it first would cost more. */
    private static final long SMALL = 32L << 20;
    /** So many tasks read all of it in less time than it takes to shuffle it. */
    private static final int FEW = 4;

    final JavaRDD<String> lines;
    final String names; // the header line, or null
    final String format; // as the worker knows it
    final long bytes; // of all files

    private Text(JavaRDD<String> lines, String names, String format, long bytes) {
        this.lines = lines;
        this.names = names;
        this.format = format;
        this.bytes = bytes;
    }

    /** Whether each of n tasks is to read all of it, instead of its part. */
    boolean readByAll(int n) {
        return n <= FEW || bytes <= SMALL;
    }

    static boolean reads(String format) {
        return List.of("csv", "text", "libsvm", "json", "b64").contains(format);
    }

    /** Text is csv in files of any name. */
    static boolean isCsv(String format) {
        return format.equals("csv") || format.equals("text");
    }

    static Text open(JavaSparkContext spark, Order.Data data, List<String> sources,
            boolean willDeal) throws Failure {
        Files files = Files.find(spark.hadoopConfiguration(), sources, false);
        String names = null;
        if (isCsv(data.format)) {
            String first = files.firstLine();
            names = Csv.isHeader(first, data.header) ? first : null;
        }
        int least = willDeal && files.bytes() <= SMALL ? 1 : spark.defaultMinPartitions();
        String header = names;
        JavaRDD<String> lines = spark.textFile(files.joined(), least)
                .mapPartitions(it -> new Rows(it, header), true);
        String format = isCsv(data.format) ? "csv" : data.format;
        return new Text(lines, names, format, files.bytes());
    }

    /** Lines without blank ones, and without a header at the beginning. */
    private static final class Rows implements Iterator<String> {
        private final Iterator<String> lines;
        private final String header;
        private boolean begun;
        private String next;

        Rows(Iterator<String> lines, String header) {
            this.lines = lines;
            this.header = header;
        }

        @Override
        public boolean hasNext() {
            while (next == null && lines.hasNext()) {
                String line = lines.next();
                if (!begun && line.startsWith("\ufeff")) {
                    line = line.substring(1);
                }
                if (!line.isBlank()) {
                    boolean skip = !begun && line.equals(header);
                    begun = true;
                    next = skip ? null : line;
                }
            }
            return next != null;
        }

        @Override
        public String next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            String line = next;
            next = null;
            return line;
        }
    }
}
