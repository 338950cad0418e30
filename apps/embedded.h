/* Files of web/ inside the program; made by cmake/CosrelEmbed.cmake. Each has a NUL after its end.
 */
#ifndef APPS_EMBEDDED_H
#define APPS_EMBEDDED_H

#include <stddef.h>

extern const unsigned char embedded_report_html[];
extern const size_t embedded_report_html_bytes;
extern const unsigned char embedded_report_css[];
extern const size_t embedded_report_css_bytes;
extern const unsigned char embedded_report_js[];
extern const size_t embedded_report_js_bytes;

#endif
