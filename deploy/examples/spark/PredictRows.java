// SPDX-License-Identifier: MIT
//
// Your own Java program (Scala looks the same): a DataFrame's rows through
// elephas-worker predict.
//
//   spark-submit --files model.keras --archives elephas-worker-0.1.0-linux-x86_64.tar.gz#elephas \
//     --class PredictRows predict-rows.jar \
//     ./elephas/bin/elephas-worker ./model.keras rows.parquet label predictions.parquet
//
// The JVM's pipe() fails the task when the worker's exit status is not 0, and
// adds to the environment instead of replacing it; what the worker wrote on
// standard error is in the executor's log. The list form of pipe() does not
// split words at blanks, so paths may have them.
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

public final class PredictRows {
    public static void main(String[] args) {
        String worker = args[0];
        String model = args[1];
        String label = args[3];
        SparkSession spark = SparkSession.builder().appName("predict rows").getOrCreate();
        Dataset<Row> frame = spark.read().parquet(args[2]);
        int skip = frame.schema().fieldIndex(label);
        JavaRDD<Row> rows = frame.toJavaRDD();
        JavaRDD<String> lines = rows.map(row -> csv(row, skip)).pipe(
                List.of(worker, "predict", "--model", model, "--no-header"),
                Map.of("OPENBLAS_NUM_THREADS", "1"));
        StructType schema = frame.schema().add("prediction",
                DataTypes.createArrayType(DataTypes.DoubleType));
        // One line for each row, in order, so the two zip. The rows are computed
        // twice, once for each side: they must come in the same order both times,
        // as those of a file do. After a join or a repartition write or persist()
        // them first.
        JavaRDD<Row> joined = rows.zip(lines).map(pair -> join(pair._1(), pair._2()));
        spark.createDataFrame(joined, schema).write().mode("overwrite").parquet(args[4]);
        spark.stop();
    }

    private static String csv(Row row, int skip) {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < row.size(); i++) {
            if (i != skip) {
                out.append(out.length() == 0 ? "" : ",").append(row.get(i));
            }
        }
        return out.toString();
    }

    private static Row join(Row row, String line) {
        List<Object> all = new ArrayList<>();
        for (int i = 0; i < row.size(); i++) {
            all.add(row.get(i));
        }
        List<Double> values = new ArrayList<>();
        for (String value : line.split(",")) {
            values.add(Double.parseDouble(value));
        }
        all.add(values.toArray(new Double[0]));
        return RowFactory.create(all.toArray());
    }
}
