// SPDX-License-Identifier: MIT
//
// Scan: finds out, once a job has failed on a row, what a person needs to
// know: the row's number in the data, and of nulls how many there are. It reads
// the data once more, so only a failure pays for it.
package elephas.spark;

import java.io.Serializable;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Row;

final class Scan {
    private Scan() {
    }

    private static final class Part implements Serializable {
        private static final long serialVersionUID = 1;
        long rows;
        long nulls;
        long first;
        String column;
    }

    static String nulls(JavaRDD<Row> rows, Columns columns) {
        List<Part> parts = rows.mapPartitions(it -> {
            Part part = new Part();
            while (it.hasNext()) {
                String column = columns.nullColumn(it.next());
                part.rows++;
                if (column != null && part.nulls++ == 0) {
                    part.first = part.rows;
                    part.column = column;
                }
            }
            return List.of(part).iterator();
        }).collect();
        Part all = new Part();
        for (Part part : parts) {
            if (part.nulls > 0 && all.nulls == 0) {
                all.first = all.rows + part.first;
                all.column = part.column;
            }
            all.rows += part.rows;
            all.nulls += part.nulls;
        }
        return all.nulls + " of " + all.rows + " rows have a null, the first is row "
                + all.first + ", column '" + all.column
                + "': give --fill-null X, or filter the rows with --sql";
    }

    /** The number in the data of a row of a partition. */
    static long number(JavaRDD<Row> rows, int partition, long row) {
        long[] counts = Deal.count(rows);
        long before = 0;
        for (int i = 0; i < partition && i < counts.length; i++) {
            before += counts[i];
        }
        return before + row;
    }
}
