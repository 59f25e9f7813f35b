// SPDX-License-Identifier: MIT
//
// SparkStart: what a Spark costs before any work of ours: it starts, runs one
// job of two tasks, and stops. bench_spark.py times it.
import java.util.List;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

public final class SparkStart {
    public static void main(String[] args) {
        try (JavaSparkContext spark = new JavaSparkContext(new SparkConf().setAppName("start"))) {
            if (spark.parallelize(List.of(1, 2), 2).map(x -> x + 1).count() != 2) {
                throw new IllegalStateException("the job did not run");
            }
        }
    }
}
