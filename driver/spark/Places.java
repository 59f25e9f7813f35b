// SPDX-License-Identifier: MIT
//
// Places: where the rows of each partition are in the data: for messages that
// name rows, and for the border between training and validation rows.
package elephas.spark;

import java.io.Serializable;

final class Places implements Serializable {
    private static final long serialVersionUID = 1;

    private enum Kind { UNKNOWN, DEALT, RUNS }

    private final Kind kind;
    private final int partitions;
    private final long[] offsets; // RUNS: rows before each partition
    private final long train; // rows of the data before the border

    private Places(Kind kind, int partitions, long[] offsets, long train) {
        this.kind = kind;
        this.partitions = partitions;
        this.offsets = offsets;
        this.train = train;
    }

    /** Nothing is known, and no row is for validation. */
    static Places unknown() {
        return new Places(Kind.UNKNOWN, 0, null, Long.MAX_VALUE);
    }

    /** Row i is row i / n of partition i mod n. */
    static Places dealt(int n, long train) {
        return new Places(Kind.DEALT, n, null, train);
    }

    /** Partitions are runs of rows with these lengths. */
    static Places runs(long[] counts, long train) {
        long[] offsets = new long[counts.length];
        for (int i = 1; i < counts.length; i++) {
            offsets[i] = offsets[i - 1] + counts[i - 1];
        }
        return new Places(Kind.RUNS, counts.length, offsets, train);
    }

    /** Rows of this partition before the border. */
    long trainRows(int partition) {
        if (train == Long.MAX_VALUE) {
            return Long.MAX_VALUE;
        }
        if (kind == Kind.DEALT) {
            return train <= partition ? 0 : (train - partition + partitions - 1) / partitions;
        }
        return Math.max(0, train - offsets[partition]);
    }

    /** The words that number the rows from the given one of a partition on. */
    String words(int partition, long row) {
        switch (kind) {
        case DEALT:
            return " first=" + (partition + row * partitions + 1) + " step=" + partitions;
        case RUNS:
            return " first=" + (offsets[partition] + row + 1) + " step=1";
        default:
            return "";
        }
    }

    /** The same for validation rows that come from a source of their own. */
    String validationWords(int partition) {
        return kind == Kind.DEALT ? " first=" + (partition + 1) + " step=" + partitions : "";
    }

    /** The number in the data, from 1, of a row counted from 1; -1: unknown. */
    long number(int partition, long row) {
        switch (kind) {
        case DEALT:
            return partition + (row - 1) * partitions + 1;
        case RUNS:
            return offsets[partition] + row;
        default:
            return -1;
        }
    }
}
