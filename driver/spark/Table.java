// SPDX-License-Identifier: MIT
//
// Table: rows with typed columns, read by Spark SQL: parquet, orc, a table, a
// query, and csv, json or libsvm where columns are worked on.
package elephas.spark;

import java.util.ArrayList;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.DataFrameReader;

final class Table {
    private Table() {
    }

    static SparkSession session() {
        return SparkSession.builder().getOrCreate();
    }

    static Dataset<Row> open(JavaSparkContext spark, Order.Data data, List<String> sources)
            throws Failure {
        try {
            if (data.sql != null) {
                return session().sql(data.sql);
            }
            if (data.table != null) {
                return session().table(data.table);
            }
            return read(spark, data, sources);
        } catch (Failure e) {
            throw e;
        } catch (Exception e) {
            String what = data.sql != null ? "--sql" : data.table != null
                    ? "--table " + data.table : String.join(", ", sources);
            throw Failure.input(what + ": " + Failure.reason(e));
        }
    }

    private static Dataset<Row> read(JavaSparkContext spark, Order.Data data,
            List<String> sources) throws Failure {
        DataFrameReader reader = session().read();
        List<String> paths = new ArrayList<>();
        for (String source : sources) {
            paths.add(Files.qualify(source));
        }
        switch (data.format) {
        case "csv": {
            String first = Files.find(spark.hadoopConfiguration(), sources).firstLine();
            reader = reader.option("header", Csv.isHeader(first, data.header))
                    .option("sep", String.valueOf(Csv.delimiter(first)))
                    .option("inferSchema", true).option("mode", "FAILFAST")
                    .option("ignoreLeadingWhiteSpace", true)
                    .option("ignoreTrailingWhiteSpace", true);
            break;
        }
        case "json":
            reader = reader.option("mode", "FAILFAST");
            break;
        case "libsvm":
            if (data.featureCount > 0) {
                reader = reader.option("numFeatures", data.featureCount);
            }
            break;
        case "parquet":
        case "orc":
            break;
        default:
            throw Failure.input("format " + data.format + " has no columns: parquet, orc, csv, "
                    + "json and libsvm have");
        }
        return reader.format(data.format).load(paths.toArray(new String[0]));
    }

    /** Packed rows. */
    static org.apache.spark.api.java.JavaRDD<byte[]> pack(
            org.apache.spark.api.java.JavaRDD<Row> rows, Columns columns) {
        return rows.mapPartitionsWithIndex((partition, it) -> new java.util.Iterator<byte[]>() {
            private long number;

            @Override
            public boolean hasNext() {
                return it.hasNext();
            }

            @Override
            public byte[] next() {
                return columns.pack(it.next(), partition, ++number);
            }
        }, true);
    }
}
