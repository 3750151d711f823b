# One place for warnings; targets of this project link it, its users do not.
add_library(planish-warnings INTERFACE)
target_compile_options(planish-warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion $<$<BOOL:${PLANISH_WERROR}>:-Werror>)
