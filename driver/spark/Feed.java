// SPDX-License-Identifier: MIT
//
// Feed: the lines of one partition as a worker reads them
// (docs/PROTOCOL.md section 6): the first line with the identity of this very
// attempt, the rows, the change to validation rows, the trailer with their
// number. It runs in the stage of the worker, so the attempt in the first
// line is the one that the worker runs in.
package elephas.spark;

import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Iterator;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.api.java.function.FlatMapFunction2;

final class Feed<R> implements FlatMapFunction<Iterator<R>, String>,
        FlatMapFunction2<Iterator<R>, Iterator<R>, String> {
    private static final long serialVersionUID = 1;
    static final String MARK = "#elephas/1";

    /** What the first line says, the same for all partitions. */
    static final class Head implements Serializable {
        private static final long serialVersionUID = 1;
        private final StringBuilder identity = new StringBuilder(MARK);
        private final StringBuilder rows = new StringBuilder();
        private String names; // the header line, or null

        /** A word about the job and this attempt. */
        Head word(String key, Object value) {
            add(identity, key, value);
            return this;
        }

        /** A word about how the rows are written. */
        Head rows(String key, Object value) {
            add(rows, key, value);
            return this;
        }

        private static void add(StringBuilder to, String key, Object value) {
            if (value != null) {
                to.append(' ').append(key).append('=').append(escape(value.toString()));
            }
        }

        Head names(String line) {
            names = line;
            return rows("header", line == null ? 0 : 1);
        }

        String identity() {
            return identity.toString();
        }

        Head copy() {
            Head other = new Head();
            other.identity.setLength(0);
            other.identity.append(identity);
            other.rows.append(rows);
            other.names = names;
            return other;
        }

        private static String escape(String value) {
            StringBuilder out = new StringBuilder();
            for (byte b : value.getBytes(StandardCharsets.UTF_8)) {
                if (b <= ' ' || b == '%' || b == 127) {
                    out.append(String.format("%%%02X", b & 0xff));
                } else {
                    out.append((char) b);
                }
            }
            return out.toString();
        }
    }

    private final Head head;
    private final Encoder<R> encoder;
    private final Places places;

    Feed(Head head, Encoder<R> encoder, Places places) {
        this.head = head;
        this.encoder = encoder;
        this.places = places;
    }

    @Override
    public Iterator<String> call(Iterator<R> rows) {
        return new Lines(rows, null);
    }

    @Override
    public Iterator<String> call(Iterator<R> rows, Iterator<R> validation) {
        return new Lines(rows, validation);
    }

    /** The lines, made as they are asked for. */
    private final class Lines implements Iterator<String> {
        private final ArrayDeque<String> ready = new ArrayDeque<>();
        private final Counted rows;
        private final Counted validation; // or null
        private final int partition;
        private final Exchange exchange = Exchange.current();
        private Iterator<String> part;
        private boolean inValidation;
        private boolean ended;

        Lines(Iterator<R> rows, Iterator<R> validation) {
            TaskContext context = TaskContext.get();
            partition = context.partitionId();
            this.rows = new Counted(rows, validation != null ? Long.MAX_VALUE
                    : places.trainRows(partition));
            this.validation = validation != null ? new Counted(validation, Long.MAX_VALUE)
                    : null;
            StringBuilder first = new StringBuilder(head.identity);
            first.append(" partition=").append(partition);
            first.append(" attempt=").append(context.taskAttemptId());
            first.append(head.rows).append(places.words(partition, 0)).append(" end=1");
            ready.add(first.toString());
            if (head.names != null) {
                ready.add(head.names);
            }
            part = encoder.encode(partition, this.rows);
        }

        @Override
        public boolean hasNext() {
            try {
                return fill();
            } catch (RuntimeException e) {
                if (exchange != null) {
                    exchange.feedFailed(e);
                }
                throw e;
            }
        }

        private boolean fill() {
            while (ready.isEmpty() && !ended) {
                if (part.hasNext()) {
                    ready.add(part.next());
                } else if (!inValidation && validation != null) {
                    inValidation = true;
                    ready.add(MARK + " validation" + places.validationWords(partition));
                    part = encoder.encode(partition, validation);
                } else if (!inValidation && rows.open()) {
                    inValidation = true;
                    ready.add(MARK + " validation" + places.words(partition, rows.count));
                    part = encoder.encode(partition, rows);
                } else {
                    long all = rows.count + (validation != null ? validation.count : 0);
                    ready.add(MARK + " end rows=" + all);
                    ended = true;
                }
            }
            return !ready.isEmpty();
        }

        @Override
        public String next() {
            return ready.remove();
        }
    }

    /** Rows, counted; stops once after `limit` rows, and goes on when opened. */
    private final class Counted implements Iterator<R> {
        private final Iterator<R> rows;
        private long limit;
        private long count;

        Counted(Iterator<R> rows, long limit) {
            this.rows = rows;
            this.limit = limit;
        }

        /** Lifts the limit; false if there was none or nothing is behind it. */
        boolean open() {
            limit = Long.MAX_VALUE;
            return rows.hasNext();
        }

        @Override
        public boolean hasNext() {
            return count < limit && rows.hasNext();
        }

        @Override
        public R next() {
            count++;
            return rows.next();
        }
    }
}
