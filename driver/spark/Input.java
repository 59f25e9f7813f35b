// SPDX-License-Identifier: MIT
//
// Input: the data of a job, ready to be fed: rows in their partitions, dealt
// if the job says how many workers there are, with their places in the data,
// and the validation rows. R is a line of text or a packed row.
package elephas.spark;

import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Row;

final class Input<R> {
    private final JavaSparkContext spark;
    private final Order order;
    final Feed.Head head;
    final Encoder<R> encoder;
    JavaRDD<R> rows;
    JavaRDD<R> validation; // from a source of its own, or null
    Places places;
    private Text text; // where rows and validation are lines of files, or null
    private Text validationText;

    private Input(JavaSparkContext spark, Order order, JavaRDD<R> rows, Encoder<R> encoder) {
        this.spark = spark;
        this.order = order;
        this.rows = rows;
        this.encoder = encoder;
        this.head = head(order);
    }

    static Feed.Head head(Order order) {
        return new Feed.Head().word("job", order.job).word("server", order.server)
                .word("token", order.token).word("stage", order.generation)
                .word("tied", 1);
    }

    /** Whether the rows can go to the workers as the lines they are. */
    static boolean isText(Order order) {
        Order.Data d = order.data;
        return d.table == null && d.sql == null && d.fillNull == null
                && Text.reads(d.format) && order.output == null;
    }

    static Input<String> text(JavaSparkContext spark, Order order) throws Failure {
        boolean deal = order.workers > 0;
        Text text = Text.open(spark, order.data, order.data.source, deal);
        Input<String> in = new Input<>(spark, order, text.lines, new Encoder.Text());
        in.text = text;
        in.head.rows("format", text.format);
        if (Text.isCsv(order.data.format)) {
            in.head.names(text.names);
        }
        if (!order.validationSource.isEmpty()) {
            in.validationText = Text.open(spark, order.data, order.validationSource, deal);
            in.validation = in.validationText.lines;
        }
        in.place();
        return in;
    }

    static Input<byte[]> packed(JavaSparkContext spark, Order order, Explainer told)
            throws Failure {
        Table table = Table.open(spark, order.data, order.data.source);
        Columns columns = columns(table, order);
        told.typed(table.rows, columns);
        Input<byte[]> in = new Input<>(spark, order, Table.pack(table, columns),
                new Encoder.Packed());
        in.head.rows("format", "b64");
        columns.describe(in.head);
        if (!order.validationSource.isEmpty()) {
            Table other = Table.open(spark, order.data, order.validationSource);
            in.validation = Table.pack(other, columns(other, order));
        }
        in.place();
        return in;
    }

    static Columns columns(Table table, Order order) throws Failure {
        Columns columns = Columns.choose(table.frame.schema(), order.data, !order.is("predict"));
        Row first = null;
        if (columns.needFirstRow()) {
            List<Row> some = table.rows.take(1);
            if (some.isEmpty()) {
                throw Failure.input("there are no rows");
            }
            first = some.get(0);
        }
        columns.measure(first, order.data);
        return columns;
    }

    /** Deals the rows if asked to, and finds out where they are. */
    private void place() throws Failure {
        int n = order.workers;
        boolean known = rows.getNumPartitions() == 1 && order.split == 0;
        boolean deal = n > 0 && !(order.is("predict") && n == rows.getNumPartitions())
                && !(n == 1 && rows.getNumPartitions() == 1);
        long[] counts = null;
        boolean runs = order.is("predict");
        boolean byAll = !runs && text != null && text.readByAll(n);
        if (order.split > 0 || (deal && !byAll && (!known || runs))) {
            counts = Deal.count(rows);
        }
        long all = 0;
        for (int i = 0; counts != null && i < counts.length; i++) {
            all += counts[i];
        }
        if (counts != null && all == 0) {
            throw Failure.input("there are no rows");
        }
        long train = order.split > 0 ? (long) Math.floor(all * (1 - order.split))
                : Long.MAX_VALUE;
        if (deal && runs) {
            rows = Deal.inRuns(rows, n, counts);
            places = Places.unknown();
        } else if (deal) {
            rows = byAll ? Deal.inTurnOfAll(rows, n)
                    : Deal.inTurn(rows, n, counts != null ? counts : new long[1]);
            places = Places.dealt(n, train);
        } else if (counts != null) {
            places = Places.runs(counts, train);
        } else if (rows.getNumPartitions() == 1) {
            places = Places.runs(new long[1], Long.MAX_VALUE);
        } else {
            places = Places.unknown();
        }
        if (validation != null && validationText != null
                && validationText.readByAll(rows.getNumPartitions())) {
            validation = Deal.inTurnOfAll(validation, rows.getNumPartitions());
        } else if (validation != null) {
            int to = rows.getNumPartitions();
            long[] theirs = validation.getNumPartitions() > 1 ? Deal.count(validation)
                    : new long[1];
            validation = Deal.inTurn(validation, to, theirs);
        }
    }

    /** The lines for the workers. until: see Train; null for no limit. */
    JavaRDD<String> lines(String until) {
        Feed.Head all = head.copy().word("until", until);
        Feed<R> feed = new Feed<>(all, encoder, places);
        return validation != null ? rows.zipPartitions(validation, feed)
                : rows.mapPartitions(feed, true);
    }

    int partitions() {
        return rows.getNumPartitions();
    }

    JavaSparkContext spark() {
        return spark;
    }
}
