// SPDX-License-Identifier: MIT
//
// Table: rows with typed columns, read by Spark SQL: parquet, orc, a table, a
// query, and csv, json or libsvm where columns are worked on.
package elephas.spark;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.DataFrameReader;

final class Table {
    final Dataset<Row> frame;
    final JavaRDD<Row> rows; // in the order of the files, where there are files

    private Table(Dataset<Row> frame, JavaRDD<Row> rows) {
        this.frame = frame;
        this.rows = rows;
    }

    static SparkSession session() {
        return SparkSession.builder().getOrCreate();
    }

    static Table open(JavaSparkContext spark, Order.Data data, List<String> sources)
            throws Failure {
        try {
            if (data.sql != null || data.table != null) {
                Dataset<Row> frame = data.sql != null ? session().sql(data.sql)
                        : session().table(data.table);
                return new Table(frame, frame.toJavaRDD());
            }
            Files files = Files.find(spark.hadoopConfiguration(), sources, true);
            Dataset<Row> frame = read(data, sources, files);
            return new Table(frame, FileOrder.rows(session(), frame, files));
        } catch (Failure e) {
            throw e;
        } catch (Exception e) {
            String what = data.sql != null ? "--sql" : data.table != null
                    ? "--table " + data.table : String.join(", ", sources);
            throw Failure.input(what + ": " + Failure.reason(e));
        }
    }

    private static Dataset<Row> read(Order.Data data, List<String> sources, Files files)
            throws Failure {
        DataFrameReader reader = session().read();
        List<String> paths = new ArrayList<>();
        for (String source : sources) {
            paths.add(Files.qualify(source));
        }
        String format = Text.isCsv(data.format) ? "csv" : data.format;
        switch (format) {
        case "csv": {
            String first = files.firstLine();
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
        return reader.format(format).load(paths.toArray(new String[0]));
    }

    /** Packed rows. */
    static JavaRDD<byte[]> pack(Table table, Columns columns) {
        return table.rows.mapPartitionsWithIndex((partition, it) -> new Iterator<byte[]>() {
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
