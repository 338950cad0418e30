/* Pictures: layouts, resizing, and files that are none. The pictures are made here with libjpeg and
 * libpng. */
#include "support.h"

#include <math.h>
#include <unistd.h>

#include <jpeglib.h>
#include <png.h>

#include "model/small_float.h"
#include "model/tensor_image.h"

enum { WIDTH = 8, HEIGHT = 6, FILE_BYTES_MAX = 1 << 16 };

typedef struct picture {
    uint8_t pixels[HEIGHT][WIDTH][3];
    uint8_t file[FILE_BYTES_MAX];
    size_t bytes;
} picture;

static void make_png(picture *p)
{
    png_image png;
    memset(&png, 0, sizeof png);
    png.version = PNG_IMAGE_VERSION;
    png.width = WIDTH;
    png.height = HEIGHT;
    png.format = PNG_FORMAT_RGB;
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            p->pixels[y][x][0] = (uint8_t)(30 * x);
            p->pixels[y][x][1] = (uint8_t)(40 * y);
            p->pixels[y][x][2] = (uint8_t)(255 - 30 * x);
        }
    }
    p->bytes = sizeof p->file;
    assert_true(png_image_write_to_memory(&png, p->file, &p->bytes, 0, p->pixels, 0, NULL));
}

/* One colour everywhere, which JPEG keeps nearly. */
static void make_jpeg(picture *p, int width, int height, const uint8_t colour[3])
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr manager;
    unsigned char *data = NULL;
    unsigned long bytes = 0;
    uint8_t row[512 * 3];
    assert_true(width <= 512);
    for (int i = 0; i < 3 * width; i++)
        row[i] = colour[i % 3];
    jpeg.err = jpeg_std_error(&manager);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &data, &bytes);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW line = row;
        jpeg_write_scanlines(&jpeg, &line, 1);
    }
    jpeg_finish_compress(&jpeg);
    assert_true(bytes <= sizeof p->file);
    memcpy(p->file, data, bytes);
    p->bytes = bytes;
    jpeg_destroy_compress(&jpeg);
    free(data);
}

static cosrel_status parse(const picture *p, cosrel_dtype type, size_t rank, const int64_t *shape,
                           tensor_buffer *out, cosrel_error *err)
{
    const cosrel_value_info input = {
        "image", type, rank, shape, (const char *const[]){"", "", "", "", ""}, -1};
    return tensor_image_parse("p.img", p->file, p->bytes, &input, out, err);
}

static int make_picture(void **state)
{
    *state = calloc(1, sizeof(picture));
    return *state ? 0 : -1;
}

static int free_picture(void **state)
{
    free(*state);
    return 0;
}

static void test_layouts(void **state)
{
    picture *p = *state;
    tensor_buffer t;
    cosrel_error err;
    make_png(p);
    EXPECT(parse(p, COSREL_UINT8, 4, (const int64_t[]){-1, HEIGHT, WIDTH, 3}, &t, &err), COSREL_OK,
           &err, "");
    assert_int_equal(t.shape[0], 1);
    assert_int_equal(t.bytes, sizeof p->pixels);
    assert_memory_equal(t.data, p->pixels, sizeof p->pixels);
    tensor_buffer_deinit(&t);
    EXPECT(parse(p, COSREL_FLOAT32, 4, (const int64_t[]){1, 3, -1, -1}, &t, &err), COSREL_OK, &err,
           "");
    assert_int_equal(t.shape[2], HEIGHT);
    assert_int_equal(t.shape[3], WIDTH);
    for (int c = 0; c < 3; c++) {
        for (int y = 0; y < HEIGHT; y++) {
            for (int x = 0; x < WIDTH; x++) {
                const float value = ((float *)t.data)[(c * HEIGHT + y) * WIDTH + x];
                assert_true(fabsf(value - (float)p->pixels[y][x][c] / 255.0f) < 1e-6f);
            }
        }
    }
    tensor_buffer_deinit(&t);
    EXPECT(parse(p, COSREL_FLOAT16, 3, (const int64_t[]){-1, -1, 3}, &t, &err), COSREL_OK, &err,
           "");
    assert_int_equal(t.shape[0], HEIGHT);
    const float red = small_float_widen(COSREL_FLOAT16, ((uint16_t *)t.data)[3 * 7]);
    assert_true(fabsf(red - 210.0f / 255.0f) < 1e-3f);
    tensor_buffer_deinit(&t);
    EXPECT(parse(p, COSREL_UINT8, 2, (const int64_t[]){-1, -1}, &t, &err), COSREL_OK, &err, "");
    assert_int_equal(t.bytes, HEIGHT * WIDTH);
    tensor_buffer_deinit(&t);
}

/* Each target pixel of a plane that rises evenly is the plane's value at its centre. */
static void test_resize_plane(void **state)
{
    picture *p = *state;
    tensor_buffer t;
    cosrel_error err;
    make_png(p);
    EXPECT(parse(p, COSREL_FLOAT32, 4, (const int64_t[]){1, 3, 3, 4}, &t, &err), COSREL_OK, &err,
           "");
    const float *values = t.data;
    /* Red is 30 x: pixels 2..5 lie whole under the filters of columns 1 and 2, whose centres are x
     * = 2.5 and 4.5. */
    assert_true(fabsf(values[1] * 255.0f - 75.0f) < 0.01f);
    assert_true(fabsf(values[2] * 255.0f - 135.0f) < 0.01f);
    /* The same down the green plane: 40 y at y = 2.5. */
    assert_true(fabsf(values[12 + 4] * 255.0f - 100.0f) < 0.01f);
    tensor_buffer_deinit(&t);
    EXPECT(parse(p, COSREL_FLOAT32, 4, (const int64_t[]){1, 3, 12, 16}, &t, &err), COSREL_OK, &err,
           "");
    values = t.data;
    assert_true(fabsf(values[0]) < 1e-6f);                  /* beyond the first centre it stays */
    assert_true(fabsf(values[2] * 255.0f - 22.5f) < 0.01f); /* x = 0.75 */
    assert_true(fabsf(values[15] * 255.0f - 210.0f) < 0.01f);
    tensor_buffer_deinit(&t);
}

static void test_jpeg(void **state)
{
    picture *p = *state;
    tensor_buffer t;
    cosrel_error err;
    const uint8_t colour[] = {200, 100, 50};
    make_jpeg(p, 400, 300, colour);
    EXPECT(parse(p, COSREL_UINT8, 4, (const int64_t[]){1, 3, 224, 224}, &t, &err), COSREL_OK, &err,
           "");
    const uint8_t *values = t.data;
    for (size_t i = 0; i < 224 * 224; i++) {
        for (size_t c = 0; c < 3; c++)
            assert_in_range(values[c * 224 * 224 + i], colour[c] - 3, colour[c] + 3);
    }
    tensor_buffer_deinit(&t);
    EXPECT(parse(p, COSREL_UINT8, 4, (const int64_t[]){1, 1, 1, 1}, &t, &err), COSREL_OK, &err, "");
    assert_in_range(*(uint8_t *)t.data, 120, 128); /* 0.299 r + 0.587 g + 0.114 b = 124 */
    tensor_buffer_deinit(&t);
}

static void test_damaged(void **state)
{
    picture *p = *state;
    tensor_buffer t;
    cosrel_error err;
    const uint8_t colour[] = {1, 2, 3};
    const int64_t shape[] = {1, 3, 4, 4};
    for (int kind = 0; kind < 2; kind++) {
        if (kind == 0)
            make_jpeg(p, 64, 64, colour);
        else
            make_png(p);
        const size_t whole = p->bytes;
        for (p->bytes = 0; p->bytes < whole - 12;
             p->bytes++) /* PNG's last 12 bytes only say that it ends */
            EXPECT(parse(p, COSREL_FLOAT32, 4, shape, &t, &err), COSREL_INVALID_FILE, &err,
                   "p.img: ");
    }
}

static void test_huge_png(void **state)
{
    picture *p = *state;
    tensor_buffer t;
    cosrel_error err;
    make_png(p);
    /* Width and height in the header, and the header's CRC-32, by hand. */
    const uint8_t size[] = {0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff};
    memcpy(p->file + 16, size, sizeof size);
    uint32_t crc = 0xffffffff;
    for (size_t i = 12; i < 29; i++) {
        crc ^= p->file[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    crc = ~crc;
    for (int i = 0; i < 4; i++)
        p->file[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    EXPECT(parse(p, COSREL_FLOAT32, 4, (const int64_t[]){1, 3, 4, 4}, &t, &err),
           COSREL_INVALID_FILE, &err, "65535 x 65535 pixels");
}

static void test_wrong_input(void **state)
{
    static const struct {
        cosrel_dtype type;
        size_t rank;
        int64_t shape[5];
        const char *words;
    } cases[] = {
        {COSREL_INT64, 4, {1, 3, 8, 8}, "(int64[1,3,8,8])"},
        {COSREL_FLOAT32, 4, {2, 3, 8, 8}, "does not fit input 'image'"},
        {COSREL_FLOAT32, 4, {1, 80, 8, 8}, "1 or 3 channels"},
        {COSREL_FLOAT32, 1, {10}, "does not fit"},
        {COSREL_FLOAT32, 5, {1, 1, 3, 8, 8}, "does not fit"},
        {COSREL_FLOAT32, 4, {1, 3, 0, 8}, "8 x 0 pixels"},
        {COSREL_FLOAT32, 4, {1, 3, 8, 1 << 30}, "1073741824 x 8 pixels"},
    };
    picture *p = *state;
    tensor_buffer t;
    cosrel_error err;
    make_png(p);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        EXPECT(parse(p, cases[i].type, cases[i].rank, cases[i].shape, &t, &err),
               COSREL_INVALID_ARGUMENT, &err, cases[i].words);
    memcpy(p->file, "GIF89a", 6);
    EXPECT(parse(p, COSREL_UINT8, 2, (const int64_t[]){-1, -1}, &t, &err), COSREL_INVALID_FILE,
           &err, "neither a JPEG nor a PNG");
}

static void test_read(void **state)
{
    picture *p = *state;
    tensor_buffer t;
    cosrel_error err;
    char path[] = "/tmp/cosrel-image-XXXXXX";
    const int64_t shape[] = {1, HEIGHT, WIDTH, 3};
    const cosrel_value_info input = {"image", COSREL_UINT8, 4, shape, NULL, -1};
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    make_png(p);
    support_write(path, p->file, p->bytes);
    EXPECT(tensor_image_read(path, &input, &t, &err), COSREL_OK, &err, "");
    assert_memory_equal(t.data, p->pixels, sizeof p->pixels);
    tensor_buffer_deinit(&t);
    assert_int_equal(unlink(path), 0);
    EXPECT(tensor_image_read(path, &input, &t, &err), COSREL_NOT_FOUND, &err, path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_layouts, make_picture, free_picture),
        cmocka_unit_test_setup_teardown(test_resize_plane, make_picture, free_picture),
        cmocka_unit_test_setup_teardown(test_jpeg, make_picture, free_picture),
        cmocka_unit_test_setup_teardown(test_damaged, make_picture, free_picture),
        cmocka_unit_test_setup_teardown(test_huge_png, make_picture, free_picture),
        cmocka_unit_test_setup_teardown(test_wrong_input, make_picture, free_picture),
        cmocka_unit_test_setup_teardown(test_read, make_picture, free_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
