/* SPDX-License-Identifier: MIT
 *
 * elephas-submit: the command line of elephasd. main() reads the command line,
 * runs the verb, and turns its result into one line of error and the exit
 * status (common/err.h): 0 done, 1 failed, 2 refused, 3 no daemon or no
 * permission, 130 cancelled.
 *
 * SIGINT, SIGTERM and SIGHUP only count; verbs look at the count when they
 * wait. The second one leaves at once.
 */
#include "common/mem.h"
#include "common/model/plugins.h"
#include "driver/submit/verbs.h"

#include <locale.h>
#include <string.h>
#include <unistd.h>

#define EXIT_INTERRUPTED 130

static volatile sig_atomic_t interrupts;

static void on_signal(int number)
{
    (void)number;
    interrupts = interrupts + 1;
    if (interrupts > 1) {
        _exit(EXIT_INTERRUPTED);
    }
}

static void catch_signals(void)
{
    static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal};

    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(caught) / sizeof(*caught); i++) {
        struct sigaction old;

        /* what was ignored from the start stays so (nohup) */
        if (sigaction(caught[i], NULL, &old) == 0 &&
            old.sa_handler != SIG_IGN) {
            (void)sigaction(caught[i], &action, NULL);
        }
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* EFBIG, as a full disk */
}

static int fail(int code, const struct err *err)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "elephas-submit: %s\n", err->msg);
    return err_exit_status(code);
}

static int check_operands(const struct verb *verb, const struct command *c,
                          struct err *err)
{
    if (c->operand_count < verb->min_operands) {
        return err_set(err, ERR_INVALID, "%s: %s is missing (see %s --help)",
                       verb->name, verb->operand, verb->name);
    }
    if (c->operand_count > verb->max_operands) {
        return err_set(err, ERR_INVALID, "%s: '%s' is too much (see %s --help)",
                       verb->name, c->operands[verb->max_operands], verb->name);
    }
    return 0;
}

/* A wrong command line, too, is told to a program in its own language. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            return true;
        }
    }
    return false;
}

/* argv[0] is the verb. */
static int run_verb(const struct verb *verb, int argc, char **argv,
                    struct command *c, struct err *err)
{
    struct opt table[OPTIONS_MAX];
    const char **operands = mem_zarray((size_t)argc + 1, sizeof(*operands));
    int rc;

    if (operands == NULL) {
        return err_nomem(err);
    }
    options_init(&c->opt);
    (void)options_table(&c->opt, verb->groups, table);
    rc = opt_parse(table, argc, argv, operands, &c->operand_count, NULL, err);
    c->operands = operands;
    if (rc == 0 && c->opt.help) {
        verbs_print_verb_help(verb, stdout);
        goto out;
    }
    c->json =
        c->opt.json || (rc != 0 && wants_json(argc, argv)) ? stdout : NULL;
    c->out = c->opt.json || c->opt.quiet ? NULL : stdout;
    if (rc == 0) {
        rc = check_operands(verb, c, err);
    }
    if (rc == 0) {
        rc = options_check(&c->opt, verb->groups, err);
        if (rc == 0) {
            rc = plugins_load(&c->opt.plugin_dirs, &c->opt.custom_objects, err);
        }
        if (rc == 0) { /* for --embedded */
            rc = plugins_export(&c->opt.plugin_dirs, &c->opt.custom_objects,
                                err);
        }
    }
    if (rc == 0) {
        rc = verb->run(c, err);
    }
    if (rc != 0) {
        command_close(c, rc, err);
    }
out:
    mem_free(operands);
    return rc;
}

int main(int argc, char **argv)
{
    struct command c = {.interrupts = &interrupts};
    struct err err = {0};
    const struct verb *verb;
    int rc;

    (void)setlocale(LC_CTYPE, "");
    json_set_alloc_funcs(mem_alloc, mem_free);
    if (argc < 2) {
        verbs_print_help(stderr);
        return err_exit_status(ERR_INVALID);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        verb = argc > 2 ? verbs_find(argv[2]) : NULL;
        if (verb != NULL) {
            verbs_print_verb_help(verb, stdout);
        } else {
            verbs_print_help(stdout);
        }
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("elephas-submit " ELEPHAS_VERSION "\n");
        return 0;
    }
    verb = verbs_find(argv[1]);
    if (verb == NULL) {
        rc = err_set(&err, ERR_INVALID, "%s: unknown verb (see --help)",
                     argv[1]);
        return fail(rc, &err);
    }
    catch_signals();
    rc = run_verb(verb, argc - 1, argv + 1, &c, &err);
    if (rc != 0 && c.unheard) {
        rc = 0;
    }
    if (rc == 0 && (fflush(stdout) != 0 || ferror(stdout)) &&
        !command_reader_is_gone()) {
        rc = err_set(&err, ERR_IO, "standard output: not all could be written");
    }
    return rc == 0 ? 0 : fail(rc, &err);
}
