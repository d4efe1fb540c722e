# `cmake --install`: headers, kernels beside them, the libraries, and what find_package(bert) reads. The program and its
# model: examples/CMakeLists.txt.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(bert_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/bert)
install(DIRECTORY include/bert DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.inc")
install(DIRECTORY kernels DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/bert FILES_MATCHING PATTERN "*.h" PATTERN "*.inc")
install(TARGETS bert_nn bert_headers bert_compiled bert_train EXPORT bertTargets)
install(EXPORT bertTargets NAMESPACE bert:: DESTINATION ${bert_cmake_dir})

configure_package_config_file(cmake/bertConfig.cmake.in ${PROJECT_BINARY_DIR}/bertConfig.cmake
                              INSTALL_DESTINATION ${bert_cmake_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/bertConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/bertConfig.cmake ${PROJECT_BINARY_DIR}/bertConfigVersion.cmake
              cmake/Findutf8proc.cmake DESTINATION ${bert_cmake_dir})
