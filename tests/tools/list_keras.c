/* SPDX-License-Identifier: MIT
 *
 * list_keras: which parts of Keras this project has, as Markdown for
 * docs/KERAS.md. Reads keras_api.txt (what Keras has) and asks the code about
 * each class and option: the answer is what a model file with it would get.
 * An option counts as refused if the error names it; that a class refuses an
 * option that nobody has is checked first, so that one which swallows
 * everything is an error here and no feature.
 *
 *     list_keras keras_api.txt
 */
#include "common/mem.h"
#include "common/model/activation.h"
#include "common/model/constraint.h"
#include "common/model/initializer.h"
#include "common/model/layer.h"
#include "common/model/loss.h"
#include "common/model/metric.h"
#include "common/model/optimizer.h"
#include "common/model/regularizer.h"

#include <stdio.h>
#include <string.h>

#define MAX_LINE 2048

/* Makes the object from class name and config; the code, and its message. */
typedef int (*try_fn)(const char *name, const json_t *config, struct err *err);

static int try_layer(const char *name, const json_t *config, struct err *err)
{
    struct layer layer = {.class = layer_class_find(name)};
    int rc = 0;

    if (layer.class == NULL) {
        return err_set(err, ERR_UNSUPPORTED, "no such class");
    }
    layer.name = mem_strdup("probe");
    layer.config = json_deep_copy(config);
    if (layer.name == NULL || layer.config == NULL) {
        rc = err_nomem(err);
    } else { /* as model_add_layer() does */
        rc = layer.class->configure != NULL
                 ? layer.class->configure(&layer, err)
                 : layer_config_keys(&layer, NULL, err);
    }
    if (layer.class->release != NULL) {
        layer.class->release(&layer);
    } else {
        mem_free(layer.options);
    }
    json_decref(layer.config);
    mem_free(layer.name);
    return rc;
}

static int try_loss(const char *name, const json_t *config, struct err *err)
{
    struct loss *loss = NULL;
    int rc = loss_create(name, config, &loss, err);

    loss_destroy(&loss);
    return rc;
}

static int try_metric(const char *name, const json_t *config, struct err *err)
{
    const struct shape output = {.rank = 1, .dim = {2}};
    struct metric *metric = NULL;
    int rc =
        metric_create(name, config, NULL, false, &output, NULL, &metric, err);

    metric_destroy(&metric);
    return rc;
}

static int try_optimizer(const char *name, const json_t *config,
                         struct err *err)
{
    struct optimizer *opt = NULL;
    int rc = optimizer_create(name, config, &opt, err);

    optimizer_destroy(&opt);
    return rc;
}

static json_t *object_of(const char *name, const json_t *config)
{
    return json_pack("{s:s, s:s, s:O, s:n}", "module", "keras", "class_name",
                     name, "config", config, "registered_name");
}

static int try_schedule(const char *name, const json_t *config, struct err *err)
{
    json_t *sgd = json_pack("{s:o}", "learning_rate", object_of(name, config));
    int rc = sgd == NULL ? err_nomem(err) : try_optimizer("SGD", sgd, err);

    json_decref(sgd);
    return rc;
}

static int try_initializer(const char *name, const json_t *config,
                           struct err *err)
{
    json_t *object = object_of(name, config);
    struct initializer *made = NULL;
    int rc = initializer_create(object, "zeros", &made, err);

    initializer_destroy(&made);
    json_decref(object);
    return rc;
}

static int try_regularizer(const char *name, const json_t *config,
                           struct err *err)
{
    json_t *object = object_of(name, config);
    struct regularizer *made = NULL;
    int rc = regularizer_create(object, &made, err);

    regularizer_destroy(&made);
    json_decref(object);
    return rc;
}

static int try_constraint(const char *name, const json_t *config,
                          struct err *err)
{
    json_t *object = object_of(name, config);
    struct constraint *made = NULL;
    int rc = constraint_create(object, &made, err);

    constraint_destroy(&made);
    json_decref(object);
    return rc;
}

static int try_activation(const char *name, const json_t *config,
                          struct err *err)
{
    const struct shape in = {.rank = 1, .dim = {2}};
    json_t *text = json_string(name);
    struct shape out;
    const struct elephas_activation *a;
    int rc = activation_parse(text, &a, err);

    (void)config;
    json_decref(text);
    return rc != 0 ? rc : activation_shape(a, &in, &out, err);
}

static const struct kind {
    const char *name;
    const char *title;
    try_fn try;
    bool named; /* its options are refused by name */
} kinds[] = {
    {"layer", "Layers", try_layer, true},
    {"activation", "Activations", try_activation, false},
    {"loss", "Losses", try_loss, true},
    {"metric", "Metrics", try_metric, true},
    {"optimizer", "Optimizers", try_optimizer, true},
    {"schedule", "Learning-rate schedules", try_schedule, false},
    {"initializer", "Initializers", try_initializer, true},
    {"regularizer", "Regularizers", try_regularizer, false},
    {"constraint", "Constraints", try_constraint, false},
};

/* Whether the class is there at all. */
static bool has_class(const struct kind *kind, const char *name)
{
    struct err err = {0};
    json_t *none = json_object();
    int rc = kind->try(name, none, &err);

    json_decref(none);
    return rc != ERR_UNSUPPORTED;
}

/* Whether the class refuses the option by name. */
static bool refuses(const struct kind *kind, const char *name,
                    const char *option)
{
    struct err err = {0};
    char text[128];
    json_t *config = json_pack("{s:b}", option, 1);
    int rc = kind->try(name, config, &err);

    json_decref(config);
    (void)snprintf(text, sizeof(text), "option \"%.80s\"", option);
    return rc == ERR_UNSUPPORTED && strstr(err.msg, text) != NULL;
}

/* The options of a class that are taken, or those that are refused. */
static void print_options(const struct kind *kind, const char *name,
                          const char *options, bool refused)
{
    char copy[MAX_LINE];
    char *rest = NULL;
    const char *comma = "";

    (void)snprintf(copy, sizeof(copy), "%s", options);
    for (const char *o = strtok_r(copy, " ", &rest); o != NULL;
         o = strtok_r(NULL, " ", &rest)) {
        if ((kind->named && refuses(kind, name, o)) == refused) {
            (void)printf("%s`%s`", comma, o);
            comma = ", ";
        }
    }
}

/* A line "kind name option..." into its parts; false: of another kind. */
static bool split(char *line, const char *kind, char **name, char **options)
{
    size_t n = strlen(kind);

    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, kind, n) != 0 || line[n] != ' ') {
        return false;
    }
    *name = line + n + 1;
    *options = *name + strcspn(*name, " ");
    if (**options != '\0') {
        *(*options)++ = '\0';
    }
    return true;
}

/* One class as a row of a table. */
static void print_row(const struct kind *kind, const char *name,
                      const char *options)
{
    (void)printf("| %s | ", name);
    print_options(kind, name, options, false);
    (void)printf(" | ");
    print_options(kind, name, options, true);
    (void)printf(" |\n");
}

/* The names of the classes that are there (as a table, if they have options
 * that are known), or of those that are not. Returns how many of them swallow
 * options. */
static int print_classes(const struct kind *kind, FILE *api, bool there)
{
    char line[MAX_LINE];
    char *name;
    char *options;
    const char *comma = "";
    int bad = 0;

    rewind(api);
    while (fgets(line, sizeof(line), api) != NULL) {
        if (!split(line, kind->name, &name, &options) ||
            has_class(kind, name) != there) {
            continue;
        }
        if (there && kind->named) {
            print_row(kind, name, options);
            if (!refuses(kind, name, "no_such_option")) {
                (void)fprintf(stderr, "%s %s swallows unknown options\n",
                              kind->name, name);
                bad++;
            }
        } else {
            (void)printf("%s%s", comma, name);
            comma = ", ";
        }
    }
    (void)printf("%s\n", comma[0] != '\0' ? "." : there ? "" : "none.");
    return bad;
}

static int print_kind(const struct kind *kind, FILE *api)
{
    int bad;

    (void)printf("\n## %s\n\n%s", kind->title,
                 kind->named ? "| class | options | refused options |\n"
                               "|---|---|---|\n"
                             : "Supported, with all their options: ");
    bad = print_classes(kind, api, true);
    (void)printf("%sRefused: ", kind->named ? "" : "\n");
    return bad + print_classes(kind, api, false);
}

/* The operations of keras.ops that may stand in a functional model. */
static void print_operations(void)
{
    const char *comma = "";

    (void)printf("\n## Operations\n\nWhat `keras.ops` and Python's operators "
                 "on symbolic tensors make of a functional model,\nwithin each "
                 "row of the batch: ");
    for (size_t i = 0; i < layer_class_count(); i++) {
        const char *name = layer_class_at(i)->name;

        if (strncmp(name, "ops.", 4) == 0) {
            (void)printf("%s%s", comma, name + 4);
            comma = ", ";
        }
    }
    (void)printf(".\n\nAll others are refused, and the options with which "
                 "Gelu, Elu, Softmax and LogSoftmax are not the\nactivation "
                 "functions (gelu is approximate if not told otherwise).\n");
}

int main(int argc, char **argv)
{
    FILE *api = argc == 2 ? fopen(argv[1], "r") : NULL;
    int bad = 0;

    if (api == NULL) {
        (void)fprintf(stderr, "usage: list_keras keras_api.txt\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        bad += print_kind(&kinds[i], api);
        if (i == 0) {
            print_operations();
        }
    }
    (void)fclose(api);
    return bad == 0 ? 0 : 1;
}
