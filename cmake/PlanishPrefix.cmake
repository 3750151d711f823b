# planish_prefix(OUT): the folder into which tools/setup.sh unpacks, by the same rule; empty when
# there is none.
function(planish_prefix out)
  if(DEFINED ENV{PLANISH_PREFIX} AND NOT "$ENV{PLANISH_PREFIX}" STREQUAL "")
    set(prefix "$ENV{PLANISH_PREFIX}")
  elseif(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
    set(prefix "$ENV{XDG_CACHE_HOME}/planish")
  elseif(DEFINED ENV{HOME} AND NOT "$ENV{HOME}" STREQUAL "")
    set(prefix "$ENV{HOME}/.cache/planish")
  else()
    set(prefix "")
  endif()
  set(${out} "${prefix}" PARENT_SCOPE)
endfunction()
