# bert_program(NAME sources… [LINK libraries…]): a program of this project, with its warnings, in the build folder's root.

set(BERT_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Wold-style-cast
                  -Wcast-qual -Wformat=2)
if(BERT_WARNINGS_AS_ERRORS)
  list(APPEND BERT_WARNINGS -Werror)
endif()
target_compile_options(bert_compiled PRIVATE ${BERT_WARNINGS})

function(bert_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LINK")
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${arg_LINK})
  target_compile_options(${name} PRIVATE ${BERT_WARNINGS} $<$<CONFIG:Debug>:-O0>)  # the sanitizers' -O1 takes twice as long
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR} CXX_EXTENSIONS OFF)
  set_property(GLOBAL APPEND PROPERTY BERT_PROGRAMS ${name})
endfunction()
