# The library targets. bert::nn < bert::bert < bert::compiled, each adding to the one before; bert::train goes beside any.

find_package(Threads REQUIRED)
if(BERT_OPENMP)
  find_package(OpenMP COMPONENTS CXX)
endif()
set(BERT_USES_OPENMP ${OpenMP_CXX_FOUND})  # bertConfig.cmake repeats the choice

add_library(bert_nn INTERFACE)
add_library(bert::nn ALIAS bert_nn)
set_target_properties(bert_nn PROPERTIES EXPORT_NAME nn)
target_compile_features(bert_nn INTERFACE cxx_std_20)
target_include_directories(bert_nn INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                             $<INSTALL_INTERFACE:include>)
target_link_libraries(bert_nn INTERFACE Threads::Threads $<$<BOOL:${BERT_USES_OPENMP}>:OpenMP::OpenMP_CXX>)

add_library(bert_headers INTERFACE)
add_library(bert::bert ALIAS bert_headers)
set_target_properties(bert_headers PROPERTIES EXPORT_NAME bert)
target_link_libraries(bert_headers INTERFACE bert_nn)
if(NOT BERT_NN_ONLY)
  find_package(utf8proc REQUIRED)
  target_link_libraries(bert_headers INTERFACE utf8proc::utf8proc)
endif()

add_library(bert_compiled STATIC kernels/compiled.cpp src/blocks.cpp src/files.cpp src/models.cpp)
if(NOT BERT_NN_ONLY)
<<<<<<< HEAD
  target_sources(bert_compiled PRIVATE src/text.cpp src/tasks.cpp src/training.cpp src/text_file.cpp src/training_runs.cpp)
=======
  target_sources(bert_compiled PRIVATE src/text.cpp src/tasks.cpp src/training.cpp)
>>>>>>> data
endif()
add_library(bert::compiled ALIAS bert_compiled)
set_target_properties(bert_compiled PROPERTIES EXPORT_NAME compiled POSITION_INDEPENDENT_CODE ON)
target_compile_definitions(bert_compiled PUBLIC BERT_COMPILED)
target_link_libraries(bert_compiled PUBLIC bert_headers)

# What bert/io/text_file.h reads packed texts with. Not part of bert::bert: only programs that include it link them.
add_library(bert_train INTERFACE)
add_library(bert::train ALIAS bert_train)
set_target_properties(bert_train PROPERTIES EXPORT_NAME train)
target_link_libraries(bert_train INTERFACE bert_headers)
if(NOT BERT_NN_ONLY)
  find_package(LibLZMA)
  find_package(ZLIB)
  set(BERT_USES_LZMA ${LIBLZMA_FOUND})  # bertConfig.cmake repeats the choices
  set(BERT_USES_ZLIB ${ZLIB_FOUND})
  foreach(feature IN ITEMS LZMA:LibLZMA::LibLZMA:.xz:liblzma-dev ZLIB:ZLIB::ZLIB:.gz:zlib1g-dev)
    string(REGEX MATCH "^([A-Z]+):(.*):(\\.[a-z]+):(.*)$" ignored ${feature})
    set(macro BERT_WITH_${CMAKE_MATCH_1})
    set(library ${CMAKE_MATCH_2})
    if(BERT_USES_${CMAKE_MATCH_1})
      target_link_libraries(bert_train INTERFACE ${library})
      target_compile_definitions(bert_train INTERFACE ${macro}=1)
      target_compile_definitions(bert_compiled PRIVATE ${macro}=1)
      target_include_directories(bert_compiled PRIVATE $<TARGET_PROPERTY:${library},INTERFACE_INCLUDE_DIRECTORIES>)
    else()
      message(STATUS "${CMAKE_MATCH_3} files will not be read: install ${CMAKE_MATCH_4} (its name on Debian) for that")
      target_compile_definitions(bert_train INTERFACE ${macro}=0)
      target_compile_definitions(bert_compiled PRIVATE ${macro}=0)
    endif()
  endforeach()
endif()
