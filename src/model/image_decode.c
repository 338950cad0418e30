#include "model/image_decode.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>
#include <png.h>

#include "base/error.h"
#include "model/tensor_image.h"

/* Chosen: real progressive files have about ten scans; a hostile one makes each cost a pass over
 * all pixels (libjpeg-turbo, "Two Issues with the JPEG Standard", 2015). */
enum { JPEG_SCANS_MAX = 100 };

typedef struct jpeg_job {
    struct jpeg_error_mgr manager; /* first: libjpeg hands back a pointer to it */
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct jpeg;
    jmp_buf escape;
    char message[JMSG_LENGTH_MAX];
    const char *path;
    cosrel_error *err;
    cosrel_status status;
    image *out;
    uint8_t *row; /* CMYK only */
} jpeg_job;

static cosrel_status check_size(const char *path, size_t width, size_t height, cosrel_error *err)
{
    if (width == 0 || height == 0)
        return error_set(err, COSREL_INVALID_FILE, "%s: the picture has no pixels", path);
    if (width > TENSOR_IMAGE_SIDE_MAX || height > TENSOR_IMAGE_SIDE_MAX ||
        width * height > TENSOR_IMAGE_PIXELS_MAX)
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: the picture has %zu x %zu pixels; at most %d a side and %d "
                         "million in all are allowed",
                         path, width, height, TENSOR_IMAGE_SIDE_MAX, TENSOR_IMAGE_PIXELS_MAX >> 20);
    return COSREL_OK;
}

static cosrel_status make_room(const char *path, size_t width, size_t height, size_t channels,
                               image *out, cosrel_error *err)
{
    const cosrel_status status = check_size(path, width, height, err);
    if (status != COSREL_OK)
        return status;
    out->width = width;
    out->height = height;
    out->channels = channels;
    out->pixels = malloc(width * height * channels);
    if (!out->pixels)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for %zu x %zu pixels", path,
                         width, height);
    return COSREL_OK;
}

static void jpeg_fail(j_common_ptr common)
{
    jpeg_job *job = (jpeg_job *)common->err;
    common->err->format_message(common, job->message);
    longjmp(job->escape, 1);
}

/* level < 0: the data are damaged but libjpeg would go on, with grey where there is nothing. A file
 * that ends too early is refused; other oddities (stray bytes from some cameras) are not. */
static void jpeg_message(j_common_ptr common, int level)
{
    const int code = common->err->msg_code;
    if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER))
        jpeg_fail(common);
}

static void jpeg_watch(j_common_ptr common)
{
    jpeg_job *job = (jpeg_job *)common->err;
    if (job->jpeg.input_scan_number > JPEG_SCANS_MAX) {
        snprintf(job->message, sizeof job->message, "it has more than %d scans", JPEG_SCANS_MAX);
        longjmp(job->escape, 1);
    }
}

/* Adobe writes CMYK inverted, and nobody else writes it. */
static void cmyk_row(const uint8_t *from, uint8_t *to, size_t width, size_t channels)
{
    for (size_t x = 0; x < width; x++, from += 4, to += channels) {
        const unsigned r = from[0] * from[3] / 255u;
        const unsigned g = from[1] * from[3] / 255u;
        const unsigned b = from[2] * from[3] / 255u;
        if (channels == 3) {
            to[0] = (uint8_t)r;
            to[1] = (uint8_t)g;
            to[2] = (uint8_t)b;
        } else { /* ITU-R BT.601, as libjpeg's own grey */
            to[0] = (uint8_t)((299 * r + 587 * g + 114 * b + 500) / 1000);
        }
    }
}

static void jpeg_begin(jpeg_job *job, size_t channels)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    jpeg_read_header(jpeg, TRUE);
    const bool cmyk = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    jpeg->out_color_space = cmyk ? JCS_CMYK : channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    job->status = make_room(job->path, jpeg->image_width, jpeg->image_height, channels, job->out,
                            job->err);
    if (job->status == COSREL_OK && cmyk && !(job->row = malloc(4 * (size_t)jpeg->image_width)))
        job->status = error_set(job->err, COSREL_OUT_OF_MEMORY, "%s: no memory for a row of pixels",
                                job->path);
}

static void jpeg_rows(jpeg_job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    image *out = job->out;
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *to = out->pixels + jpeg->output_scanline * out->width * out->channels;
        JSAMPROW row = job->row ? job->row : to;
        jpeg_read_scanlines(jpeg, &row, 1);
        if (job->row)
            cmyk_row(job->row, to, out->width, out->channels);
    }
    jpeg_finish_decompress(jpeg);
}

/* Everything that must survive the jump lies in the job, not in this function's variables. */
static cosrel_status jpeg_decode(const uint8_t *data, size_t bytes, size_t channels, jpeg_job *job)
{
    job->jpeg.err = jpeg_std_error(&job->manager);
    job->manager.error_exit = jpeg_fail;
    job->manager.emit_message = jpeg_message;
    if (setjmp(job->escape)) {
        job->status = error_set(job->err, COSREL_INVALID_FILE,
                                "%s: the JPEG picture is damaged or cut off: %s", job->path,
                                job->message);
    } else {
        jpeg_create_decompress(&job->jpeg);
        job->progress.progress_monitor = jpeg_watch;
        job->jpeg.progress = &job->progress;
        jpeg_mem_src(&job->jpeg, data, bytes);
        jpeg_begin(job, channels);
        if (job->status == COSREL_OK)
            jpeg_rows(job);
    }
    jpeg_destroy_decompress(&job->jpeg);
    free(job->row);
    return job->status;
}

static cosrel_status decode_jpeg(const char *path, const uint8_t *data, size_t bytes,
                                 size_t channels, image *out, cosrel_error *err)
{
    jpeg_job *job = calloc(1, sizeof *job);
    if (!job)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory to read it", path);
    job->path = path;
    job->err = err;
    job->out = out;
    const cosrel_status status = jpeg_decode(data, bytes, channels, job);
    free(job);
    return status;
}

static cosrel_status decode_png(const char *path, const uint8_t *data, size_t bytes,
                                size_t channels, image *out, cosrel_error *err)
{
    static const png_color white = {255, 255, 255};
    png_image png;
    memset(&png, 0, sizeof png);
    png.version = PNG_IMAGE_VERSION;
    cosrel_status status = COSREL_OK;
    if (!png_image_begin_read_from_memory(&png, data, bytes))
        status = error_set(err, COSREL_INVALID_FILE, "%s: the PNG picture is damaged: %s", path,
                           png.message);
    if (status == COSREL_OK)
        status = make_room(path, png.width, png.height, channels, out, err);
    if (status == COSREL_OK) {
        png.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
        if (!png_image_finish_read(&png, &white, out->pixels, 0, NULL))
            status = error_set(err, COSREL_INVALID_FILE,
                               "%s: the PNG picture is damaged or cut off: %s", path, png.message);
    }
    png_image_free(&png);
    return status;
}

cosrel_status image_decode(const char *path, const uint8_t *data, size_t bytes, size_t channels,
                           image *out, cosrel_error *err)
{
    static const uint8_t jpeg_mark[] = {0xff, 0xd8, 0xff};
    static const uint8_t png_mark[] = {0x89, 'P', 'N', 'G'};
    memset(out, 0, sizeof *out);
    cosrel_status status;
    if (bytes >= sizeof jpeg_mark && memcmp(data, jpeg_mark, sizeof jpeg_mark) == 0)
        status = decode_jpeg(path, data, bytes, channels, out, err);
    else if (bytes >= sizeof png_mark && memcmp(data, png_mark, sizeof png_mark) == 0)
        status = decode_png(path, data, bytes, channels, out, err);
    else
        status = error_set(err, COSREL_INVALID_FILE, "%s: is neither a JPEG nor a PNG picture",
                           path);
    if (status != COSREL_OK) {
        free(out->pixels);
        memset(out, 0, sizeof *out);
    }
    return status;
}
