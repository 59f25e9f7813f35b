// SPDX-License-Identifier: MIT
//
// Predict: the workers of a prediction job, and where their lines go. To
// elephasd: each executor sends the lines of its partition piece by piece. To
// a data set: Spark writes the rows with their predictions. In neither do
// they pass through the driver.
package elephas.spark;

import java.io.IOException;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.LongAccumulator;

final class Predict {
    private static final String COLUMN = "prediction";
    private static final String CLASS_COLUMN = "class";

    private final JavaSparkContext spark;
    private final Order order;
    private final Reporter reporter;
    private final LongAccumulator done;

    Predict(JavaSparkContext spark, Order order, Reporter reporter) {
        this.spark = spark;
        this.order = order;
        this.reporter = reporter;
        this.done = spark.sc().longAccumulator("rows predicted");
    }

    private void begin(int partitions) throws Failure {
        reporter.put("partitions", partitions).put("slots", Watch.get().slots());
        reporter.log(partitions + " partitions on " + Watch.get().slots() + " slots");
        reporter.state("running");
        reporter.progress(done::value);
        reporter.position();
    }

    // ---- to elephasd -------------------------------------------------------

    void toDaemon(Input<?> input) throws Failure {
        begin(input.partitions());
        Daemon daemon = new Daemon(order.server, order.token, order.job);
        LongAccumulator count = done;
        JavaRDD<String> out = Pipes.through(spark, input.lines(null), order, "predict");
        long rows = 0;
        for (long n : out.mapPartitions(lines ->
                List.of(new Sender(daemon, count).send(lines)).iterator(), true).collect()) {
            rows += n;
        }
        reporter.put("rows", rows);
    }

    /** Sends the lines of one partition. */
    private static final class Sender implements Serializable {
        private static final long serialVersionUID = 1;
        private static final int PIECE = 512 * 1024;
        private static final int TRIES = 5;

        private final Daemon daemon;
        private final LongAccumulator done;

        Sender(Daemon daemon, LongAccumulator done) {
            this.daemon = daemon;
            this.done = done;
        }

        long send(Iterator<String> lines) throws IOException {
            TaskContext task = TaskContext.get();
            String where = "/rows?partition=" + task.partitionId() + "&attempt="
                    + task.taskAttemptId() + "&first=";
            StringBuilder piece = new StringBuilder();
            long first = 0;
            long next = 0;
            while (lines.hasNext()) {
                piece.append(lines.next()).append('\n');
                next++;
                if (piece.length() >= PIECE) {
                    post(where + first, piece);
                    done.add(next - first);
                    first = next;
                }
            }
            post(where + first + "&last=1", piece);
            done.add(next - first);
            return next;
        }

        private void post(String where, StringBuilder piece) throws IOException {
            byte[] body = piece.toString().getBytes(StandardCharsets.UTF_8);
            piece.setLength(0);
            for (int i = 1;; i++) {
                try {
                    Daemon.Answer answer = daemon.post(where, "text/plain", body);
                    if (answer.ok()) {
                        return;
                    }
                    throw new IllegalStateException("elephasd does not take predictions: "
                            + answer.detail());
                } catch (IOException e) {
                    if (i == TRIES) {
                        throw new IOException("elephasd at " + daemon.url + ": "
                                + Failure.reason(e), e);
                    }
                    Reporter.pause(1000L * i);
                }
            }
        }
    }

    // ---- to a data set -----------------------------------------------------

    void toDataset(Table table, Columns columns) throws Failure {
        StructType schema = check(table.frame.schema());
        JavaRDD<Row> rows = table.rows;
        int n = order.workers;
        if (n > 0 && n != rows.getNumPartitions()) {
            rows = Deal.inRuns(rows, n, Deal.count(rows));
        }
        begin(rows.getNumPartitions());
        Feed.Head head = Input.head(order);
        head.rows("format", "b64");
        columns.describe(head);
        JavaRDD<byte[]> packed = rows.mapPartitionsWithIndex(
                (partition, it) -> new Kept(it, columns, partition), true);
        JavaRDD<String> lines = packed.mapPartitions(
                new Feed<>(head, new Encoder.Packed(), Places.unknown()), true);
        Order.Output output = order.output;
        LongAccumulator count = done;
        JavaRDD<Row> predicted = Pipes.through(spark, lines, order, "predict")
                .mapPartitions(it -> new Joined(it, output, count), true);
        Table.session().createDataFrame(predicted, schema).write()
                .mode(output.overwrite ? SaveMode.Overwrite : SaveMode.ErrorIfExists)
                .format(output.format).option("header", true).save(Files.qualify(output.path));
        reporter.put("rows", done.value());
    }

    private StructType check(StructType in) throws Failure {
        Order.Output output = order.output;
        for (String taken : output.predictClass ? List.of(COLUMN, CLASS_COLUMN)
                : List.of(COLUMN)) {
            if (List.of(in.fieldNames()).contains(taken)) {
                throw Failure.input("the data has a column '" + taken
                        + "' already: leave it out with --sql");
            }
        }
        boolean csv = output.format.equals("csv");
        for (StructField f : in.fields()) {
            DataType t = f.dataType();
            if (csv && (t instanceof ArrayType || t instanceof StructType
                    || t instanceof MapType || Columns.isVector(t))) {
                throw Failure.input("csv cannot hold column '" + f.name() + "' ("
                        + t.simpleString() + "): write parquet or json, or leave it out "
                        + "with --sql");
            }
        }
        List<StructField> all = new ArrayList<>(List.of(in.fields()));
        if (csv && output.array) {
            for (int i = 0; i < output.units; i++) {
                String name = output.units == 1 ? COLUMN : COLUMN + "_" + i;
                all.add(DataTypes.createStructField(name, DataTypes.DoubleType, false));
            }
        } else {
            all.add(DataTypes.createStructField(COLUMN, output.array
                    ? DataTypes.createArrayType(DataTypes.DoubleType, false)
                    : DataTypes.DoubleType, false));
        }
        if (output.predictClass) {
            all.add(DataTypes.createStructField(CLASS_COLUMN, DataTypes.IntegerType, false));
        }
        return DataTypes.createStructType(all);
    }

    /** Packs rows and remembers them until their answer comes. */
    private static final class Kept implements Iterator<byte[]> {
        private final Iterator<Row> rows;
        private final Columns columns;
        private final int partition;
        private final Exchange exchange = Exchange.current();
        private long number;

        Kept(Iterator<Row> rows, Columns columns, int partition) {
            this.rows = rows;
            this.columns = columns;
            this.partition = partition;
        }

        @Override
        public boolean hasNext() {
            return rows.hasNext();
        }

        @Override
        public byte[] next() {
            Row row = rows.next();
            byte[] packed = columns.pack(row, partition, ++number);
            exchange.rows.add(row);
            return packed;
        }
    }

    /** The rows again, each with its prediction. */
    private static final class Joined implements Iterator<Row> {
        private final Iterator<String> lines;
        private final Order.Output output;
        private final LongAccumulator done;
        private final Exchange exchange = Exchange.current();
        private long count;

        Joined(Iterator<String> lines, Order.Output output, LongAccumulator done) {
            this.lines = lines;
            this.output = output;
            this.done = done;
        }

        @Override
        public boolean hasNext() {
            if (lines.hasNext()) {
                return true;
            }
            if (!exchange.rows.isEmpty()) {
                throw new IllegalStateException("the worker answered " + count
                        + " rows, and " + exchange.rows.size() + " have no prediction");
            }
            done.add(count % 1000);
            count = 0;
            return false;
        }

        @Override
        public Row next() {
            String line = lines.next();
            Row row = exchange.rows.poll();
            if (row == null) {
                throw new IllegalStateException("the worker answers more rows than it got");
            }
            if (++count % 1000 == 0) {
                done.add(1000);
            }
            double[] values = numbers(line);
            List<Object> out = new ArrayList<>(row.size() + values.length + 1);
            for (int i = 0; i < row.size(); i++) {
                out.add(row.get(i));
            }
            if (!output.array) {
                out.add(values[0]);
            } else if (output.format.equals("csv")) {
                for (double v : values) {
                    out.add(v);
                }
            } else {
                List<Double> list = new ArrayList<>(values.length);
                for (double v : values) {
                    list.add(v);
                }
                out.add(list.toArray(new Double[0]));
            }
            if (output.predictClass) {
                out.add(bestOf(values));
            }
            return RowFactory.create(out.toArray());
        }

        private static double[] numbers(String line) {
            String[] words = line.split(",");
            double[] out = new double[words.length];
            for (int i = 0; i < words.length; i++) {
                out[i] = number(words[i].strip());
            }
            return out;
        }

        private static double number(String word) {
            switch (word) {
            case "nan":
            case "-nan":
                return Double.NaN;
            case "inf":
                return Double.POSITIVE_INFINITY;
            case "-inf":
                return Double.NEGATIVE_INFINITY;
            default:
                return Double.parseDouble(word);
            }
        }

        /** The class: of one probability the one above a half. */
        private static int bestOf(double[] values) {
            if (values.length == 1) {
                return values[0] > 0.5 ? 1 : 0;
            }
            int best = 0;
            for (int i = 1; i < values.length; i++) {
                if (values[i] > values[best]) {
                    best = i;
                }
            }
            return best;
        }
    }
}
