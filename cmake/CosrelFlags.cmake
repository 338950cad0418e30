# Compiler flags that every target gets.
add_compile_options(-Wall -Wextra -Wshadow -Wpointer-arith -Wundef -Wvla
                    "$<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes;-Wmissing-prototypes;-Wold-style-definition>")
# One rounding per operation, so that a simulation is the same with every compiler and machine.
add_compile_options(-ffp-contract=off)
add_compile_definitions(_GNU_SOURCE) # CPU affinity, futexes, thread names
if(COSREL_WERROR)
  add_compile_options(-Werror)
endif()
if(COSREL_SANITIZE)
  add_compile_options(-fsanitize=${COSREL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${COSREL_SANITIZE})
endif()
