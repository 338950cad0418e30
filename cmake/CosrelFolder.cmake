# One static library per folder under src/.
#
# cosrel_folder(base SOURCES a.c b.c USES x y LIBS jansson)
#
# A header src/NAME/foo.h is included as "NAME/foo.h". A folder sees only its own headers, the public ones
# and those of the folders in USES: each folder gets an include directory of its own that holds nothing but a link
# to that folder, and only the named ones are on the compiler's path. Including any other one does not compile.

function(cosrel_include_dir name out)
  set(dir "${CMAKE_BINARY_DIR}/include-of/${name}")
  file(MAKE_DIRECTORY "${dir}")
  if(NOT EXISTS "${dir}/${name}")
    file(CREATE_LINK "${PROJECT_SOURCE_DIR}/src/${name}" "${dir}/${name}" SYMBOLIC)
  endif()
  set(${out} "${dir}" PARENT_SCOPE)
endfunction()

# Gives TARGET sight of the public headers and of the folders USES, and links those.
function(cosrel_uses target)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/include")
  foreach(used IN LISTS ARGN)
    cosrel_include_dir(${used} dir)
    target_include_directories(${target} PRIVATE "${dir}")
    target_link_libraries(${target} PRIVATE cosrel_${used})
  endforeach()
endfunction()

function(cosrel_folder name)
  cmake_parse_arguments(F "" "" "SOURCES;USES;LIBS" ${ARGN})
  add_library(cosrel_${name} STATIC ${F_SOURCES})
  cosrel_include_dir(${name} own)
  target_include_directories(cosrel_${name} PRIVATE "${own}")
  cosrel_uses(cosrel_${name} ${F_USES})
  target_link_libraries(cosrel_${name} PRIVATE ${F_LIBS})
endfunction()

# cosrel_test(NAME SOURCES x.c USES base sched LIBS y LABELS z): a cmocka program and a CTest test of the same name.
function(cosrel_test name)
  cmake_parse_arguments(T "" "TIMEOUT" "SOURCES;USES;LIBS;LABELS" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  cosrel_uses(${name} ${T_USES})
  target_link_libraries(${name} PRIVATE ${T_LIBS} PkgConfig::CMOCKA)
  target_compile_definitions(${name} PRIVATE COSREL_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             COSREL_BINARY_DIR="${CMAKE_BINARY_DIR}")
  add_test(NAME ${name} COMMAND ${name})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "${T_LABELS}")
endfunction()
