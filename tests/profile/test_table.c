#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "profile/table.h"

#define HEADER                                                                                     \
    "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"

static device_table *parse(const char *text)
{
    device_table *t;
    cosrel_error err;
    if (table_parse("t.csv", text, strlen(text), &t, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    return t;
}

static void a_plain_table(void **state)
{
    (void)state;
    device_table *t = parse(HEADER "Board,npu,mobilenet_v2,int8,rt,1,2.5,3,,measured\n"
                                   "Board,cpu,mobilenet_v2,fp32,rt,1,10,,7.25,\n"
                                   "Board,cpu,mobilenet_v2,fp32,rt,4,30.5,,,x\n");
    assert_int_equal(table_row_count(t), 3);
    const table_row *row = table_find(t, "npu", "mobilenet_v2", 1);
    assert_ptr_equal(row, table_row_at(t, 0));
    assert_string_equal(row->device, "Board");
    assert_string_equal(row->precision, "int8");
    assert_string_equal(row->framework, "rt");
    assert_string_equal(row->source, "measured");
    assert_true(row->latency_ms == 2.5 && row->power_w == 3 && isnan(row->energy_mj));
    assert_int_equal(table_energy_uj(row), 7500); /* power x latency */
    assert_int_equal(table_energy_uj(table_find(t, "cpu", "mobilenet_v2", 1)), 7250);
    assert_int_equal(table_energy_uj(table_find(t, "cpu", "mobilenet_v2", 4)), 0); /* unknown */
    assert_null(table_find(t, "cpu", "mobilenet_v2", 2));
    assert_null(table_find(t, "gpu", "mobilenet_v2", 1));
    size_t count;
    const char *const *names = table_processors(t, &count);
    assert_int_equal(count, 2);
    assert_string_equal(names[0], "cpu");
    assert_string_equal(names[1], "npu");
    assert_string_equal(table_models(t, &count)[0], "mobilenet_v2");
    assert_int_equal(count, 1);
    table_free(t);
    table_free(NULL);
}

static void other_ways_to_write_it(void **state)
{
    (void)state;
    /* Byte order mark, CRLF, columns in another order and one that we do not know, quotes, blank
     * lines, no last newline. */
    device_table *t = parse(
        "\xef\xbb\xbfmodel,\"processor\",batch,latency_ms,note,device,precision,framework,power_w,"
        "energy_mj,source\r\n\r\n"
        "\"a \"\"b\"\", c\",cpu0,1,1e1,ignored,D,,,,,\"two\r\nlines\"\r\n\r\n"
        "m2,cpu0-1,2,0.5,,D,,,,,");
    assert_int_equal(table_row_count(t), 2);
    const table_row *row = table_row_at(t, 0);
    assert_string_equal(row->model, "a \"b\", c");
    assert_string_equal(row->source, "two\r\nlines");
    assert_true(row->latency_ms == 10);
    assert_true(table_find(t, "cpu0-1", "m2", 2)->latency_ms == 0.5);
    table_free(t);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    const struct {
        const char *text, *says;
    } cases[] = {
        {"", "t.csv:1: the header has no column 'device'"},
        {"device,processor,model\n", "t.csv:1: the header has no column 'precision'"},
        {"device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source,"
         "batch\n",
         "t.csv:1:11: the header names the column 'batch' twice"},
        {HEADER, "the table has no rows"},
        {HEADER "\n\n", "the table has no rows"},
        {HEADER "d,p,m,,,1,5,,\n", "t.csv:2:10: has 9 fields; expected 10"},
        {HEADER "d,p,m,,,1,5,,,s,more\n", "t.csv:2:11: has 11 fields; expected 10"},
        {HEADER "\nd,p,m,,,1,5,,,s\nd,p,m,,,2,x,,,s\n",
         "t.csv:4:7: latency_ms is 'x'; expected milliseconds"},
        {HEADER "d,p,m,,,1,,,,s\n", "t.csv:2:7: latency_ms is ''"},
        {HEADER "d,p,m,,,1,0,,,s\n", "t.csv:2:7: latency_ms is '0'"},
        {HEADER "d,p,m,,,1,-3,,,s\n", "t.csv:2:7: latency_ms is '-3'"},
        {HEADER "d,p,m,,,1,nan,,,s\n", "t.csv:2:7: latency_ms is 'nan'"},
        {HEADER "d,p,m,,,1,1e12,,,s\n", "t.csv:2:7: latency_ms is '1e12'"},
        {HEADER "d,p,m,,,0,1,,,s\n", "t.csv:2:6: batch is '0'; expected a whole number from 1"},
        {HEADER "d,p,m,,,1.5,1,,,s\n", "t.csv:2:6: batch is '1.5'"},
        {HEADER "d,p,m,,,99999999999,1,,,s\n", "t.csv:2:6: batch is '99999999999'"},
        {HEADER "d,p,m,,,1,1,-2,,s\n", "t.csv:2:8: power_w is '-2'; expected nothing or a number"},
        {HEADER "d,p,m,,,1,1,,watt,s\n", "t.csv:2:9: energy_mj is 'watt'"},
        {HEADER "d,,m,,,1,1,,,s\n", "t.csv:2:2: processor is empty"},
        {HEADER "d,p,,,,1,1,,,s\n", "t.csv:2:3: model is empty"},
        {HEADER "d,p,m,,,1,1,,,s\nd,q,m,,,1,1,,,s\nd,p,m,fp16,,1,2,,,s\n",
         "t.csv:4: a second row for processor 'p', model 'm', batch 1; line 2 has the first"},
        {HEADER "d,p,m,,,1,1,,,\"s\n", "t.csv:2:10: a quoted field is not closed"},
        {HEADER "d,p,m,,,1,1,,,\"a\nb\"\nd,p\"q,m,,,1,1,,,s\n",
         "t.csv:4:2: a quote inside a field"},
        {HEADER "d,\"p\"q,m,,,1,1,,,s\n", "t.csv:2:2: expected ',' or the end of the line"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        device_table *t;
        cosrel_error err = {""};
        assert_int_equal(table_parse("t.csv", cases[i].text, strlen(cases[i].text), &t, &err),
                         COSREL_INVALID_FILE);
        assert_null(t);
        if (!strstr(err.text, cases[i].says))
            fail_msg("expected \"%s\" in \"%s\"", cases[i].says, err.text);
    }
    device_table *t;
    cosrel_error err;
    assert_int_equal(table_parse("t.csv", "a\0b", 3, &t, &err), COSREL_INVALID_FILE);
    assert_non_null(strstr(err.text, "zero byte"));
    assert_int_equal(table_read("no/such/table.csv", &t, &err), COSREL_NOT_FOUND);
    assert_non_null(strstr(err.text, "no/such/table.csv"));
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    static const table_row rows[] = {
        {"D, \"x\"", "cpu0", "m\n1", "fp32", "", 1, 0.1234567890123, NAN, -1, "s"},
        {"D", "cpu0-1", "m2", "", "rt", 8, 1e-3, 0.25, 3.5, ""},
    };
    char path[] = "table_test_XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    cosrel_error err;
    assert_int_equal(table_write(path, rows, 2, &err), COSREL_OK);
    device_table *t;
    assert_int_equal(table_read(path, &t, &err), COSREL_OK);
    assert_int_equal(table_row_count(t), 2);
    for (size_t i = 0; i < 2; i++) {
        const table_row *row = table_row_at(t, i);
        assert_string_equal(row->device, rows[i].device);
        assert_string_equal(row->processor, rows[i].processor);
        assert_string_equal(row->model, rows[i].model);
        assert_string_equal(row->framework, rows[i].framework);
        assert_int_equal(row->batch, rows[i].batch);
        assert_true(row->latency_ms == rows[i].latency_ms);
        assert_string_equal(row->source, rows[i].source);
    }
    assert_true(isnan(table_row_at(t, 0)->power_w) && isnan(table_row_at(t, 0)->energy_mj));
    assert_true(table_row_at(t, 1)->power_w == 0.25 && table_row_at(t, 1)->energy_mj == 3.5);
    table_free(t);
    unlink(path);
    assert_int_equal(table_write("no/such/folder/t.csv", rows, 2, &err), COSREL_IO);
    assert_non_null(strstr(err.text, "no/such/folder/t.csv"));
}

static void costs_are_filled(void **state)
{
    (void)state;
    device_table *t = parse(HEADER "d,npu,a,,,1,2,,9,\n"
                                   "d,npu,a,,,8,12,,,\n"
                                   "d,cpu,b,,,3,6,,,\n"
                                   "d,cpu,b,,,1,0.0000001,,,\n");
    int32_t batches[COST_BATCHES_MAX];
    int count;
    assert_int_equal(table_batches(t, batches, &count, NULL), COSREL_OK);
    assert_int_equal(count, 3);
    assert_int_equal(batches[0], 1);
    assert_int_equal(batches[1], 3);
    assert_int_equal(batches[2], 8);
    cost_table costs;
    static const char *const processors[] = {"cpu", "npu", NULL};
    assert_int_equal(cost_init(&costs, 2, 3, batches, count), COSREL_OK);
    cost_at(&costs, 0, 2, 0)->service_ns = 77;
    assert_int_equal(table_fill(t, "a", processors, 0, &costs), 2);
    assert_int_equal(table_fill(t, "b", processors, 1, &costs), 2);
    assert_int_equal(table_fill(t, "c", processors, 1, &costs), 0);
    assert_int_equal(cost_at(&costs, 0, 1, 0)->service_ns, 2000000);
    assert_int_equal(cost_at(&costs, 0, 1, 0)->energy_uj, 9000);
    assert_int_equal(cost_at(&costs, 0, 1, 1)->service_ns, 0);
    assert_int_equal(cost_at(&costs, 0, 1, 2)->service_ns, 12000000);
    assert_int_equal(cost_at(&costs, 0, 0, 0)->service_ns, 0);
    assert_int_equal(cost_at(&costs, 0, 2, 0)->service_ns, 0);
    assert_int_equal(cost_at(&costs, 1, 0, 0)->service_ns, 0); /* the third fill found nothing */
    assert_int_equal(table_fill(t, "b", processors, 1, &costs), 2);
    assert_int_equal(cost_at(&costs, 1, 0, 0)->service_ns,
                     1); /* never 0: that would mean "cannot" */
    cost_deinit(&costs);
    table_free(t);
}

static void too_many_batch_sizes(void **state)
{
    (void)state;
    char text[2048] = HEADER;
    for (int b = 2; b < 3 + COST_BATCHES_MAX; b++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "d,p,m,,,%d,1,,,\n", b);
    device_table *t = parse(text);
    int32_t batches[COST_BATCHES_MAX];
    int count;
    cosrel_error err;
    assert_int_equal(table_batches(t, batches, &count, &err), COSREL_UNSUPPORTED);
    assert_non_null(strstr(err.text, "t.csv: has more than 16"));
    table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_table),      cmocka_unit_test(other_ways_to_write_it),
        cmocka_unit_test(mistakes_are_named), cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(costs_are_filled),   cmocka_unit_test(too_many_batch_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
