/* What the runtime's tests share: a folder of tiny models, emulated processors, runtimes that must
 * open. */
#ifndef TESTS_RUNTIME_FIXTURE_H
#define TESTS_RUNTIME_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cosrel/cosrel.h"

/* A fresh folder for each test program; cmocka group setup and teardown. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* FOLDER/name in a buffer of the caller. */
void fixture_path(const char *name, char path[512]);
/* Writes text to FOLDER/name; folders on the way are made. */
void fixture_write(const char *name, const char *text);

/* Options with the fixture's cache folder, quiet unless COSREL_TEST_LOG is set. */
cosrel_options fixture_options(void);

/* Opens and loads FOLDER/models (a path below the fixture's folder); fails the test if either does
 * not work. */
cosrel_runtime *fixture_open(const cosrel_options *options, const char *models);

cosrel_model *fixture_model(cosrel_runtime *rt, const char *name);

/* A float tensor; shape and data stay the caller's. */
cosrel_tensor fixture_floats(const int64_t *shape, size_t rank, float *data);

/* Submits without callback; fails the test if it is not accepted. */
cosrel_ticket fixture_submit(cosrel_runtime *rt, cosrel_model *m, const cosrel_tensor *inputs,
                             size_t count);
/* Waits at most 60 s, returns the status and releases the result. */
cosrel_status fixture_answer(cosrel_runtime *rt, cosrel_ticket ticket);

/* The processor's index; fails the test if there is none. */
size_t fixture_processor(cosrel_runtime *rt, const char *name);

#endif
