/* Small ONNX models for tests, written through protobuf-c. Any test may link cosrel_tiny_onnx.
 *
 * Every function writes one model to `path` and returns false, with a line on standard error, if it
 * cannot. */
#ifndef TESTS_TINY_ONNX_H
#define TESTS_TINY_ONNX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* y = x + [1,2,3,4]; x and y float32 [batch,4]. The constant is raw data. */
bool tiny_add(const char *path);
bool tiny_add_from(const char *path, float first); /* [first, first+1, ...] instead */

/* As tiny_add, but the second element becomes no number. */
bool tiny_nan(const char *path);

/* y = x, of any element type (ONNX's numbers, cosrel_dtype's too); [batch,3]. */
bool tiny_identity(const char *path, int32_t type);

/* y = max(x, 0), float32 [batch,16]: as little work as a model can be. */
bool tiny_relu(const char *path);

/* y = the mean of each channel; x float32 [batch,3,224,224], y [batch,3,1,1]: a large input for
 * little work. */
bool tiny_pool(const char *path);
bool tiny_pool_sized(const char *path, int64_t height, int64_t width); /* not 224 x 224 */

/* y = five convolutions of x, one after the other, all zeros; x float32 [batch,64,16,16], y
 * [batch,64,6,6]: weights that a provider may rearrange while it loads them. */
bool tiny_convolutions(const char *path);

/* sum = a + b, product = a * b, count = n + n; a, b float32 [batch,2], n int64 [batch]. */
bool tiny_multi(const char *path);

/* y = where x is not 0; x float32 [batch,4], y int64 [2,found]: a size that only the run shows. */
bool tiny_nonzero(const char *path);

/* y = x as `shape` says; x float32 [1,4], shape int64 [2], y float32, said to be [1,4]. */
bool tiny_reshape(const char *path);

/* As tiny_add, but the constant is external data: 16 bytes at `offset` of the file `location`
 * beside the model. Writes that file only if `data_path` is not NULL, there, with zeros before the
 * offset. */
bool tiny_external(const char *path, const char *location, uint64_t offset, const char *data_path);

/* As tiny_add, with an operator "Frobnicate" of ONNX's own domain in the middle, which does not
 * exist. */
bool tiny_unsupported(const char *path);

/* y = x + addend, of the shapes of tiny_add, in a file of about `weight_bytes` bytes, most of which
 * no node uses. */
bool tiny_padded(const char *path, size_t weight_bytes, float addend);

/* y = x W; x float32 [batch,n], W [n,n] of about `weight_bytes` bytes, all 1/n. */
bool tiny_matmul(const char *path, size_t weight_bytes);

/* y = x W; x float32 [batch,n], W [n,n], all value/n: ones become `value` everywhere, exactly where
 * n is a power of two, and something else if a part of W is another one's. location: W is external
 * data there, written to data_path; NULL: it is not. */
bool tiny_scale(const char *path, size_t n, float value, const char *location,
                const char *data_path);

/* y = x, n times; x float32 [batch,1], y [batch,n]. */
bool tiny_wide(const char *path, int64_t n);

/* y = [1,2,3,4][x]; x int64 [batch,1], y float32 [batch,1]. A run with any other x than -4 to 3
 * fails. */
bool tiny_gather(const char *path);

/* y = x[0] zeros; x int64 [1], y float32 [n]. ONNX Runtime throws where there is no memory for
 * them. */
bool tiny_fill(const char *path);

/* y = x + m; x and y float32 [batch,4]. m = 1/256 comes out of a Loop that multiplies two 256x256
 * matrices `turns` times (17 million multiply-accumulates each), so that a run takes long and can
 * be stopped between turns. */
bool tiny_slow(const char *path, int64_t turns);

/* y = x + [1,2,3,4] where the constant says to have `elements` float32 but holds 16 bytes. */
bool tiny_lying(const char *path, int64_t elements);

#endif
