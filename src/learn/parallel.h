/* The same function for each of `count` numbers, on several threads; returns when all are done. The
 * order in which they are taken is not fixed: results must go to places of their own. */
#ifndef LEARN_PARALLEL_H
#define LEARN_PARALLEL_H

void parallel_for(int threads, int count, void (*each)(void *context, int index), void *context);

#endif
