// A user's C++17 program against the installed library: every public header compiles as C++, and errors come back.
#include <cosrel/cosrel.h>

#include <cstdio>
#include <cstring>
#include <string_view>

int main()
{
    cosrel_options options;
    cosrel_options_init(&options);
    options.processors = "no-such-processor";
    options.cache_folder = "";
    cosrel_runtime *rt = nullptr;
    cosrel_error err{};
    const cosrel_status status = cosrel_runtime_open(&options, &rt, &err);
    std::printf("%s: %s\n", cosrel_status_name(status), err.text);
    const std::string_view text = err.text;
    return status != COSREL_OK && text.find("no-such-processor") != text.npos ? 0 : 1;
}
