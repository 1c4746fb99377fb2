# `cmake --install` puts the program, the headers and a package configuration in place:
#   find_package(halfscope) gives halfscope::number, ops, model, data, train, trace, kernels, analysis, reports.
include(CMakePackageConfigHelpers)

set(parts number ops model data trace train kernels analysis reports)
set(libraries "")
foreach(part ${parts})
    set_target_properties(halfscope_${part} PROPERTIES EXPORT_NAME ${part})
    list(APPEND libraries halfscope_${part})
endforeach()

install(TARGETS halfscope RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS ${libraries} EXPORT halfscope_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(folder emulation kernels trace analysis reports)
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/halfscope
            FILES_MATCHING PATTERN "*.h" PATTERN "web" EXCLUDE PATTERN "node_modules" EXCLUDE)
endforeach()
install(EXPORT halfscope_targets NAMESPACE halfscope:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/halfscope)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/halfscope-config.cmake.in
    ${PROJECT_BINARY_DIR}/halfscope-config.cmake INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/halfscope)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/halfscope-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/halfscope-config.cmake ${PROJECT_BINARY_DIR}/halfscope-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/halfscope)
