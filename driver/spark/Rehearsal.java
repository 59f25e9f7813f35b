// SPDX-License-Identifier: MIT
//
// Rehearsal: a run of the bridge's parts on a few rows, so that a JVM that is asked
// to write down the classes it loads (deploy/spark-classes.sh) writes down those
// that jobs need: rows of text and of columns, dealt both ways, kept, piped, a
// prediction written by Spark, a request that nobody answers. It needs no elephasd
// and no worker.
//
//   spark-submit --master local[2] --class elephas.spark.Rehearsal JAR DIRECTORY
package elephas.spark;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

public final class Rehearsal {
    private Rehearsal() {
    }

    public static void main(String[] args) throws Exception {
        Path rows = Path.of(args[0], "rows.csv");
        StringBuilder text = new StringBuilder("label,a,b\n");
        for (int i = 0; i < 500; i++) {
            text.append(i % 2).append(',').append(i).append(",0.5\n");
        }
        java.nio.file.Files.writeString(rows, text);
        SparkConf conf = new SparkConf().setAppName("rehearsal").set("spark.ui.enabled", "false")
                .set("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
                .set("spark.extraListeners", Watch.class.getName());
        try {
            new Daemon("http://127.0.0.1:1", "t", "j").get("/engine");
        } catch (IOException e) {
            // nobody answers there
        }
        try (JavaSparkContext spark = new JavaSparkContext(conf)) {
            run(spark, order(rows, 2, ""));
            run(spark, order(rows, 5, ""));
            run(spark, order(rows, 2, ",\"fill_null\":0"));
            Dataset<Row> table = Table.open(spark, order(rows, 2, ",\"fill_null\":0").data,
                    List.of(rows.toString())).frame;
            table.write().parquet(args[0] + "/table");
            Table.session().read().parquet(args[0] + "/table").count();
        }
    }

    private static Order order(Path rows, int workers, String more) throws Failure {
        return Order.parse("{\"job\":\"j\",\"kind\":\"train\",\"server\":\"http://127.0.0.1:1\","
                + "\"token\":\"t\",\"workers\":" + workers + ",\"worker\":[\"sh\",\"-c\","
                + "\"cat >/dev/null\"],\"data\":{\"source\":[\"" + rows + "\"],"
                + "\"format\":\"csv\",\"label\":[\"label\"]" + more + "}}");
    }

    private static void run(JavaSparkContext spark, Order order) throws Exception {
        Input<?> input = Input.isText(order) ? Input.text(spark, order)
                : Input.packed(spark, order, new Explainer());
        Pipes.through(spark, input.lines(null), order, "train").countAsync().get();
        input.lines(null).map(line -> line.getBytes(StandardCharsets.UTF_8).length).collect();
    }
}
