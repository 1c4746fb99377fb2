# Flags every target of ours takes. Arithmetic is defined operation by operation, so contraction and fast-math are off
# everywhere; tests/number proves that the flags took.
add_library(halfscope_options INTERFACE)
target_compile_features(halfscope_options INTERFACE cxx_std_20)
target_compile_options(halfscope_options INTERFACE
    -ffp-contract=off -fno-fast-math -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wcast-qual -Wdouble-promotion)
if(HALFSCOPE_WERROR)
    # g++ 12 has two warnings that are false where they strike here (members of a moved-from std::variant; operator+ of
    # strings, GCC bug 105651): said, but no error.
    target_compile_options(halfscope_options INTERFACE -Werror "$<$<CXX_COMPILER_ID:GNU>:-Wno-error=maybe-uninitialized;-Wno-error=restrict>")
endif()
if(HALFSCOPE_SANITIZE)
    target_compile_options(halfscope_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all
                           -fno-omit-frame-pointer)
    target_link_options(halfscope_options INTERFACE -fsanitize=address,undefined)
endif()

# halfscope_part(NAME [LIBRARIES ...]) makes the library of the current folder out of every .cpp below it; headers are
# found from the repository's root, as "emulation/number/format.h".
function(halfscope_part name)
    cmake_parse_arguments(PART "" "" "LIBRARIES;PRIVATE_LIBRARIES" ${ARGN})
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
    if(NOT sources)
        file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp "")
        set(sources ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp)
    endif()
    add_library(${name} STATIC ${sources})
    target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                                              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/halfscope>)
    target_link_libraries(${name} PUBLIC ${PART_LIBRARIES} PRIVATE ${PART_PRIVATE_LIBRARIES} $<BUILD_INTERFACE:halfscope_options>)
endfunction()
