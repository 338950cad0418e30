/* Models for the tests of examples/ that `cosrel zoo` does not have: several inputs, whole numbers,
 * strings. Argument: the folder. */
#include <stdio.h>

#include "tiny_onnx.h"

enum { STRING = 8 }; /* ONNX's number */

int main(int argc, char **argv)
{
    char path[2][512];
    static const char *const names[] = {"multi", "words"};
    if (argc != 2)
        return 2;
    for (int i = 0; i < 2; i++)
        snprintf(path[i], sizeof path[i], "%s/%s.onnx", argv[1], names[i]);
    return tiny_multi(path[0]) && tiny_identity(path[1], STRING) ? 0 : 1;
}
