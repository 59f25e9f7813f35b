// SPDX-License-Identifier: MIT
//
// Explainer: what is told to people when Spark gives up. What failed first
// counts, whatever came out of it in the end; a worker's own words before
// Spark's; a row by its number in the data.
package elephas.spark;

import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Row;

final class Explainer {
    private JavaRDD<Row> rows; // as they are read, when columns are typed
    private Columns columns;
    private WorkerFailure.Parts worker;
    private boolean input;
    private boolean known;

    void typed(JavaRDD<Row> typedRows, Columns chosen) {
        rows = typedRows;
        columns = chosen;
    }

    /** Whether what was asked for, or the data, is at fault. */
    boolean isInput() {
        return input;
    }

    /** Whether the explanation is ours; else the stack may tell more. */
    boolean isKnown() {
        return known;
    }

    /** What the worker wrote on standard error, if it was a worker; or null. */
    String stderr() {
        return worker == null ? null : worker.text;
    }

    String explain(Throwable thrown) {
        known = true;
        if (thrown instanceof Failure) {
            input = ((Failure) thrown).input;
            return thrown.getMessage();
        }
        String bad = find(thrown, BadRow.MARK);
        if (bad != null) {
            input = true;
            return badRow(bad);
        }
        worker = WorkerFailure.Parts.of(find(thrown, WorkerFailure.MARK));
        if (worker != null) {
            input = worker.status == WorkerFailure.STATUS_INPUT;
            return worker.sentence();
        }
        known = false;
        Watch watch = Watch.get();
        String first = watch == null ? null : watch.firstFailure();
        return first != null ? Failure.firstLine(first) : Failure.reason(thrown);
    }

    /** The text with this mark: of the first failed task, or of what was thrown. */
    private static String find(Throwable thrown, String mark) {
        Watch watch = Watch.get();
        String first = watch == null ? null : watch.firstFailure();
        if (first != null && first.contains(mark)) {
            return first;
        }
        for (Throwable t = thrown; t != null; t = t.getCause()) {
            if (t.getMessage() != null && t.getMessage().contains(mark)) {
                return t.getMessage();
            }
        }
        return null;
    }

    private String badRow(String text) {
        int partition = (int) BadRow.number(text, "partition");
        long row = BadRow.number(text, "row");
        String reason = BadRow.reason(text);
        try {
            if (rows != null && Columns.aboutNull(reason)) {
                return Scan.nulls(rows, columns);
            }
            if (rows != null) {
                return "row " + Scan.number(rows, partition, row) + ": " + reason;
            }
        } catch (RuntimeException e) {
            System.err.println("elephas: the row could not be counted: " + Failure.reason(e));
        }
        return "partition " + partition + ", row " + row + " of it: " + reason;
    }
}
