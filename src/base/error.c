#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

#undef error_set /* the analyser's view of it, see error.h */

cosrel_status error_set(cosrel_error *err, cosrel_status status, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return status;
}
