# The library targets. bert::nn < bert::bert < bert::compiled, each adding to the one before.

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
  target_sources(bert_compiled PRIVATE src/text.cpp src/tasks.cpp src/training.cpp)
endif()
add_library(bert::compiled ALIAS bert_compiled)
set_target_properties(bert_compiled PROPERTIES EXPORT_NAME compiled POSITION_INDEPENDENT_CODE ON)
target_compile_definitions(bert_compiled PUBLIC BERT_COMPILED)
target_link_libraries(bert_compiled PUBLIC bert_headers)
