# libcosrel.so and libcosrel.a out of the folders' libraries, and what `cmake --install` puts where.
include(CMakePackageConfigHelpers)

# Walks from TARGET through all that it links: our own static libraries into OUT_PARTS, everything else into OUT_LIBS.
function(cosrel_collect target out_parts out_libs)
  set(parts "")
  set(libs "")
  set(todo ${target})
  while(todo)
    list(POP_FRONT todo next)
    if(next MATCHES "^\\$<LINK_ONLY:(.*)>$")
      set(next "${CMAKE_MATCH_1}")
    endif()
    if(next IN_LIST parts OR next IN_LIST libs)
      continue()
    endif()
    if(NOT next MATCHES "^cosrel_" OR next MATCHES "^cosrel_(onnxruntime|glpk)$")
      list(APPEND libs ${next})
      continue()
    endif()
    list(APPEND parts ${next})
    get_target_property(links ${next} LINK_LIBRARIES)
    if(links)
      list(APPEND todo ${links})
    endif()
  endwhile()
  set(${out_parts} ${parts} PARENT_SCOPE)
  set(${out_libs} ${libs} PARENT_SCOPE)
endfunction()

if(TARGET cosrel_learn)
  cosrel_collect(cosrel_learn parts libs)
  set(objects "")
  foreach(part IN LISTS parts)
    list(APPEND objects $<TARGET_OBJECTS:${part}>)
  endforeach()

  # An ONNX Runtime that tools/setup fetched is installed beside us, in a folder of our own: no other program finds it.
  set(private_dir "${CMAKE_INSTALL_LIBDIR}/cosrel")
  if(ORT_FOUND)
    set(ort_rpath_library "")
    set(ort_rpath_program "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  else()
    set(ort_rpath_library "$ORIGIN/cosrel")
    set(ort_rpath_program "$ORIGIN/../${CMAKE_INSTALL_LIBDIR};$ORIGIN/../${private_dir}")
    install(FILES "${ORT_LIBRARY}" DESTINATION "${private_dir}" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  endif()

  add_library(cosrel_shared SHARED ${objects})
  set_target_properties(cosrel_shared PROPERTIES
    OUTPUT_NAME cosrel EXPORT_NAME cosrel LINKER_LANGUAGE C
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
    INSTALL_RPATH "${ort_rpath_library}")
  target_include_directories(cosrel_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  # Undefined symbols are found here and not by a user's program. (Sanitizers leave some to the program on purpose.)
  if(NOT COSREL_SANITIZE)
    target_link_options(cosrel_shared PRIVATE -Wl,--no-undefined)
  endif()
  target_link_options(cosrel_shared PRIVATE -Wl,--as-needed)
  # LINK_ONLY and BUILD_INTERFACE: a user's program links libcosrel.so alone.
  foreach(lib IN LISTS libs)
    target_link_libraries(cosrel_shared PRIVATE $<BUILD_INTERFACE:${lib}>)
  endforeach()

  # One object in which only the public names stay visible: a program that links the archive may use any other name.
  add_custom_command(
    OUTPUT cosrel.o
    COMMAND ${CMAKE_LINKER} -r -o cosrel.o ${objects}
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden cosrel.o
    DEPENDS ${objects} COMMAND_EXPAND_LISTS VERBATIM)
  add_library(cosrel_static STATIC "${CMAKE_CURRENT_BINARY_DIR}/cosrel.o")
  set_target_properties(cosrel_static PROPERTIES OUTPUT_NAME cosrel LINKER_LANGUAGE C)

  install(TARGETS cosrel_shared EXPORT cosrelTargets
          LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" NAMELINK_COMPONENT Development)
  install(TARGETS cosrel_static ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/cosrel" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
          FILES_MATCHING PATTERN "*.h")

  if(TARGET cosrel)
    set_target_properties(cosrel PROPERTIES INSTALL_RPATH "${ort_rpath_program}")
    install(TARGETS cosrel RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()

  # What `pkg-config --static cosrel` adds, and what libcosrel.so itself stands on.
  set(pc_requires jansson libcyaml libprotobuf-c libjpeg libpng libxxhash)
  if(ORT_FOUND)
    list(APPEND pc_requires libonnxruntime)
    set(pc_ort "")
  else()
    set(pc_ort "\${libdir}/cosrel/libonnxruntime.so.1 -Wl,-rpath,\${libdir}/cosrel")
  endif()
  string(REGEX REPLACE "[^/]+" ".." pc_up "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
  list(JOIN pc_requires ", " pc_requires)
  configure_file("${PROJECT_SOURCE_DIR}/cmake/cosrel.pc.in" "${CMAKE_BINARY_DIR}/cosrel.pc" @ONLY)
  install(FILES "${CMAKE_BINARY_DIR}/cosrel.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

  set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/cosrel")
  file(WRITE "${CMAKE_BINARY_DIR}/cosrelConfig.cmake" "include(\"\${CMAKE_CURRENT_LIST_DIR}/cosrelTargets.cmake\")\n")
  write_basic_package_version_file("${CMAKE_BINARY_DIR}/cosrelConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
  install(FILES "${CMAKE_BINARY_DIR}/cosrelConfig.cmake" "${CMAKE_BINARY_DIR}/cosrelConfigVersion.cmake"
          DESTINATION "${package_dir}")
  install(EXPORT cosrelTargets NAMESPACE cosrel:: DESTINATION "${package_dir}")
endif()
