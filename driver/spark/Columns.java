// SPDX-License-Identifier: MIT
//
// Columns: which columns of a table are features, labels and weight, and how a
// row of them becomes packed float32: labels, weight, features. A column is
// chosen by name, by 0-based index, or by a list or range of either, with the
// rules of the worker (worker/columns.c). Numbers, booleans, arrays of numbers
// (nested ones flattened row-major) and Spark ML vectors are read; the lengths
// of arrays and vectors are those of the first row.
package elephas.spark;

import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.BooleanType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.NumericType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

final class Columns implements Serializable {
    private static final long serialVersionUID = 1;
    private static final int NAMES_SHOWN = 20;
    private static final String IS_NULL = " is null";
    private static final String HOLDS_NULL = " holds a null";

    /** One chosen column: where it is in the row, how many numbers it holds. */
    private static final class Field implements Serializable {
        private static final long serialVersionUID = 1;
        final int index;
        final String name;
        final boolean single;
        int width = 1;

        Field(int index, String name, boolean single) {
            this.index = index;
            this.name = name;
            this.single = single;
        }
    }

    private final List<Field> fields = new ArrayList<>(); // labels, weight, features
    private final Double fillNull;
    private int labelFields;
    private boolean weighted;
    private int width;

    private Columns(Double fillNull) {
        this.fillNull = fillNull;
    }

    /** withLabels: false to predict. */
    static Columns choose(StructType schema, Order.Data data, boolean withLabels)
            throws Failure {
        List<Integer> labels = select(schema, "label", data.label, !withLabels);
        List<Integer> weight = select(schema, "sample weight",
                data.sampleWeight == null ? List.of() : List.of(data.sampleWeight), !withLabels);
        List<Integer> features = select(schema, "feature", data.features, false);
        if (features.isEmpty()) {
            for (int i = 0; i < schema.fields().length; i++) {
                if (!labels.contains(i) && !weight.contains(i)) {
                    features.add(i);
                }
            }
        }
        Columns columns = new Columns(data.fillNull);
        if (withLabels) {
            columns.labelFields = labels.size();
            columns.weighted = !weight.isEmpty();
            columns.add(schema, labels, "label");
            columns.add(schema, weight, "sample weight");
        }
        columns.add(schema, features, "feature");
        return columns;
    }

    private void add(StructType schema, List<Integer> indices, String what) throws Failure {
        for (int i : indices) {
            StructField f = schema.fields()[i];
            DataType type = f.dataType();
            if (!isNumeric(type) && !isArray(type) && !isVector(type)) {
                throw Failure.input(what + " column '" + f.name() + "' is of type "
                        + type.simpleString() + ", not a number, array or vector: choose "
                        + "others with --features and --label, or cast it in --sql");
            }
            fields.add(new Field(i, f.name(), isNumeric(type)));
        }
    }

    private static boolean isNumeric(DataType type) {
        return type instanceof NumericType || type instanceof BooleanType;
    }

    private static boolean isArray(DataType type) {
        DataType t = type;
        while (t instanceof ArrayType) {
            t = ((ArrayType) t).elementType();
        }
        return type instanceof ArrayType && isNumeric(t);
    }

    static boolean isVector(DataType type) {
        return type.getClass().getName().endsWith("VectorUDT");
    }

    /** Whether there are arrays or vectors, whose lengths a row must tell. */
    boolean needFirstRow() {
        return fields.stream().anyMatch(f -> !f.single);
    }

    /** Learns the lengths; the row may be null if it is not needed. */
    void measure(Row first, Order.Data data) throws Failure {
        for (Field f : fields) {
            if (!f.single) {
                if (first.get(f.index) == null) {
                    throw Failure.input("column '" + f.name + "' is null in the first row: "
                            + "its length cannot be known; filter the rows with --sql");
                }
                f.width = count(first.get(f.index));
            }
        }
        width = span(0, fields.size());
        int features = features();
        if (data.featureCount > 0 && features != data.featureCount) {
            throw Failure.input("the feature columns hold " + features
                    + " numbers in the first row, the model takes " + data.featureCount
                    + ": choose the columns with --features");
        }
    }

    private int span(int from, int to) {
        int sum = 0;
        for (int i = from; i < to; i++) {
            sum += fields.get(i).width;
        }
        return sum;
    }

    int features() {
        return width - span(0, labelFields + (weighted ? 1 : 0));
    }

    /** Says to the worker where in a packed row everything is. */
    void describe(Feed.Head head) {
        int labels = span(0, labelFields);
        int before = labels + (weighted ? 1 : 0);
        head.rows("columns", 1);
        head.rows("label", labels == 0 ? null : labels == 1 ? "0" : "0-" + (labels - 1));
        head.rows("weight", weighted ? labels : null);
        head.rows("features", width - before == 1 ? String.valueOf(before)
                : before + "-" + (width - 1));
    }

    /** One row, packed. partition and row are for messages. */
    byte[] pack(Row row, int partition, long number) {
        ByteBuffer out = ByteBuffer.allocate(width * 4).order(ByteOrder.LITTLE_ENDIAN);
        for (Field f : fields) {
            Object value = row.get(f.index);
            if (value == null) {
                if (fillNull == null) {
                    throw new BadRow(partition, number, "column '" + f.name + "'" + IS_NULL);
                }
                for (int i = 0; i < f.width; i++) {
                    out.putFloat(fillNull.floatValue());
                }
            } else if (f.single) {
                put(out, number(value), f, partition, number);
            } else {
                int n = count(value);
                if (n != f.width) {
                    throw new BadRow(partition, number, "column '" + f.name + "' holds " + n
                            + " numbers, the first row holds " + f.width);
                }
                putAll(out, value, f, partition, number);
            }
        }
        return out.array();
    }

    /** The first chosen column that is null, or holds one, in this row. */
    String nullColumn(Row row) {
        for (Field f : fields) {
            Object value = row.get(f.index);
            if (value == null || (!f.single && !isVectorValue(value) && holdsNull(value))) {
                return f.name;
            }
        }
        return null;
    }

    /** Whether a BadRow of pack() is about a null. */
    static boolean aboutNull(String reason) {
        return reason.endsWith(IS_NULL) || reason.endsWith(HOLDS_NULL);
    }

    private static boolean isVectorValue(Object value) {
        return value instanceof org.apache.spark.ml.linalg.Vector
                || value instanceof org.apache.spark.mllib.linalg.Vector;
    }

    private static boolean holdsNull(Object value) {
        for (Object item : elements(value)) {
            if (item == null || (!(item instanceof Number || item instanceof Boolean)
                    && holdsNull(item))) {
                return true;
            }
        }
        return false;
    }

    private void put(ByteBuffer out, double value, Field f, int partition, long number) {
        float single = (float) value;
        if (Float.isNaN(single) || Float.isInfinite(single)) {
            throw new BadRow(partition, number, "column '" + f.name + "' is " + value
                    + ", which is no finite single-precision number");
        }
        out.putFloat(single);
    }

    private void putAll(ByteBuffer out, Object value, Field f, int partition, long number) {
        if (value instanceof org.apache.spark.ml.linalg.Vector) {
            for (double v : ((org.apache.spark.ml.linalg.Vector) value).toArray()) {
                put(out, v, f, partition, number);
            }
            return;
        }
        if (value instanceof org.apache.spark.mllib.linalg.Vector) {
            for (double v : ((org.apache.spark.mllib.linalg.Vector) value).toArray()) {
                put(out, v, f, partition, number);
            }
            return;
        }
        for (Object item : elements(value)) {
            if (item == null) {
                if (fillNull == null) {
                    throw new BadRow(partition, number,
                            "column '" + f.name + "'" + HOLDS_NULL);
                }
                out.putFloat(fillNull.floatValue());
            } else if (item instanceof Number || item instanceof Boolean) {
                put(out, number(item), f, partition, number);
            } else {
                putAll(out, item, f, partition, number);
            }
        }
    }

    private static double number(Object value) {
        return value instanceof Boolean ? ((Boolean) value ? 1 : 0)
                : ((Number) value).doubleValue();
    }

    private static int count(Object value) {
        if (value instanceof org.apache.spark.ml.linalg.Vector) {
            return ((org.apache.spark.ml.linalg.Vector) value).size();
        }
        if (value instanceof org.apache.spark.mllib.linalg.Vector) {
            return ((org.apache.spark.mllib.linalg.Vector) value).size();
        }
        int n = 0;
        for (Object item : elements(value)) {
            n += item == null || item instanceof Number || item instanceof Boolean ? 1
                    : count(item);
        }
        return n;
    }

    /** The items of an array column; Spark hands out a Scala sequence. */
    @SuppressWarnings("deprecation")
    private static List<?> elements(Object value) {
        // of all ways the one with the same signature in Scala 2.12 and 2.13
        return scala.collection.JavaConverters.seqAsJavaList((scala.collection.Seq<?>) value);
    }

    private static List<Integer> select(StructType schema, String what, List<String> selectors,
            boolean mayMiss) throws Failure {
        List<Integer> out = new ArrayList<>();
        for (String selector : selectors) {
            if (!one(schema, selector, out)) {
                for (String part : selector.split(",")) {
                    if (!one(schema, part, out) && !range(schema, part, out) && !mayMiss) {
                        throw Failure.input(what + " column '" + part
                                + "' is not there; the columns are: " + names(schema));
                    }
                }
            }
        }
        return out;
    }

    private static String names(StructType schema) {
        String[] names = schema.fieldNames();
        String shown = String.join(", ", List.of(names).subList(0,
                Math.min(names.length, NAMES_SHOWN)));
        return names.length > NAMES_SHOWN ? shown + ", ..." : shown;
    }

    private static int find(StructType schema, String text) {
        String[] names = schema.fieldNames();
        for (int i = 0; i < names.length; i++) {
            if (names[i].equals(text)) {
                return i;
            }
        }
        if (!text.isEmpty() && text.length() < 9 && text.chars().allMatch(Character::isDigit)) {
            int index = Integer.parseInt(text);
            return index < names.length ? index : -1;
        }
        return -1;
    }

    private static boolean one(StructType schema, String text, List<Integer> out) {
        int at = find(schema, text);
        if (at >= 0) {
            out.add(at);
        }
        return at >= 0;
    }

    private static boolean range(StructType schema, String text, List<Integer> out)
            throws Failure {
        for (int dash = text.indexOf('-', 1); dash > 0; dash = text.indexOf('-', dash + 1)) {
            int a = find(schema, text.substring(0, dash));
            int b = find(schema, text.substring(dash + 1));
            if (a >= 0 && b >= 0) {
                if (a > b) {
                    throw Failure.input("columns " + text + ": the range runs backwards");
                }
                for (int i = a; i <= b; i++) {
                    out.add(i);
                }
                return true;
            }
        }
        return false;
    }
}
