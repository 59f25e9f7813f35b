// SPDX-License-Identifier: MIT
//
// FileOrder: the rows of a table of files in the order of the files. Spark SQL
// sorts what it reads by size and packs small files together; here each piece of
// a file becomes a partition of its own first, and then neighbours, in the order
// of the sources and of the rows in each file, are put together again.
package elephas.spark;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.Partition;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.execution.datasources.FilePartition;
import org.apache.spark.sql.execution.datasources.PartitionedFile;

final class FileOrder {
    private static final String PIECE = "spark.sql.files.maxPartitionBytes";
    private static final String OPEN_COST = "spark.sql.files.openCostInBytes";
    private static final long PIECE_MAX = 128L << 20;
    /** What opening a file costs, in bytes that could have been read. */
    private static final long OPEN = 4L << 20;

    private FileOrder() {
    }

    /** One partition as Spark planned it: a piece of a file. */
    private static final class Piece {
        final int index;
        final int file;
        final String path;
        final long start;
        final long bytes;

        Piece(int index, PartitionedFile piece, Map<String, Integer> numbers) {
            this.index = index;
            path = piece.filePath().toPath().toString();
            file = numbers.getOrDefault(path, Integer.MAX_VALUE);
            start = piece.start();
            bytes = piece.length();
        }
    }

    static JavaRDD<Row> rows(SparkSession session, Dataset<Row> table, Files files) {
        long most = pieceBytes(session, files);
        session.conf().set(PIECE, most);
        session.conf().set(OPEN_COST, most + 1);
        JavaRDD<Row> rows = table.toJavaRDD();
        List<Piece> pieces = pieces(rows, files);
        if (pieces.size() < 2) {
            return rows; // also where the source is not read file by file
        }
        return Regroup.by(rows, group(pieces, most));
    }

    /** About what Spark takes: each core some, within its own bounds. */
    private static long pieceBytes(SparkSession session, Files files) {
        long bound = session.sparkContext().conf().getSizeAsBytes(PIECE,
                String.valueOf(PIECE_MAX));
        int cores = Math.max(1, session.sparkContext().defaultParallelism());
        return Math.min(bound, Math.max(OPEN, (files.bytes() + files.all.size() * OPEN) / cores));
    }

    private static List<Piece> pieces(JavaRDD<Row> rows, Files files) {
        Map<String, Integer> numbers = new HashMap<>();
        for (int i = 0; i < files.all.size(); i++) {
            numbers.putIfAbsent(files.all.get(i).getPath().toString(), i);
        }
        List<Piece> out = new ArrayList<>();
        for (Partition partition : rows.partitions()) {
            PartitionedFile[] inside = partition instanceof FilePartition
                    ? ((FilePartition) partition).files() : new PartitionedFile[0];
            if (inside.length != 1) {
                return List.of();
            }
            out.add(new Piece(partition.index(), inside[0], numbers));
        }
        out.sort(Comparator.<Piece>comparingInt(p -> p.file).thenComparing(p -> p.path)
                .thenComparingLong(p -> p.start));
        return out;
    }

    private static int[][] group(List<Piece> pieces, long most) {
        List<List<Integer>> groups = new ArrayList<>();
        long used = most;
        for (Piece piece : pieces) {
            if (used + piece.bytes > most) {
                groups.add(new ArrayList<>());
                used = 0;
            }
            groups.get(groups.size() - 1).add(piece.index);
            used += piece.bytes + OPEN;
        }
        return groups.stream().map(g -> g.stream().mapToInt(Integer::intValue).toArray())
                .toArray(int[][]::new);
    }
}
