# Files as C arrays in the program: it is one file that can be copied anywhere.
#
# cosrel_embed(target NAME file...) compiles the files, one after the other, into TARGET as
# `const unsigned char embedded_NAME[]`, NUL-terminated, and `const size_t embedded_NAME_bytes` (without that NUL). It is
# made again when a file changes.

if(CMAKE_SCRIPT_MODE_FILE)
  set(hex "")
  string(REPLACE "|" ";" files "${EMBED_FILES}")
  foreach(file IN LISTS files)
    file(READ "${file}" one HEX)
    string(APPEND hex "${one}")
  endforeach()
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
  file(WRITE "${EMBED_OUT}" "#include <stddef.h>\n
const unsigned char embedded_${EMBED_NAME}[] = {\n${bytes}0x00};
const size_t embedded_${EMBED_NAME}_bytes = sizeof embedded_${EMBED_NAME} - 1;\n")
  return()
endif()

set(COSREL_EMBED_SCRIPT "${CMAKE_CURRENT_LIST_FILE}")

function(cosrel_embed target name)
  list(JOIN ARGN "|" files)
  set(out "${CMAKE_CURRENT_BINARY_DIR}/embedded_${name}.c")
  add_custom_command(
    OUTPUT "${out}"
    COMMAND ${CMAKE_COMMAND} "-DEMBED_FILES=${files}" -DEMBED_NAME=${name} -DEMBED_OUT=${out} -P "${COSREL_EMBED_SCRIPT}"
    DEPENDS ${ARGN} "${COSREL_EMBED_SCRIPT}" VERBATIM)
  target_sources(${target} PRIVATE "${out}")
endfunction()
