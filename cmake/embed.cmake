# halfscope_embed(TARGET FILE SYMBOL NAMESPACE) compiles FILE's bytes into TARGET as
#   namespace NAMESPACE { extern const std::string_view SYMBOL; }
# FILE may be made by another rule of the build.
#
# The same file is the script of that rule: cmake -DFILE= -DOUTPUT= -DSYMBOL= -DNAMESPACE= -P embed.cmake
if(CMAKE_SCRIPT_MODE_FILE)
    file(READ ${FILE} bytes HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    # Lines a person's editor survives.
    string(REGEX REPLACE "((0x[0-9a-f][0-9a-f],)(0x[0-9a-f][0-9a-f],)(0x[0-9a-f][0-9a-f],)(0x[0-9a-f][0-9a-f],)(0x[0-9a-f][0-9a-f],)(0x[0-9a-f][0-9a-f],)(0x[0-9a-f][0-9a-f],)(0x[0-9a-f][0-9a-f],))" "\\1\n" bytes "${bytes}")
    file(WRITE ${OUTPUT}
"#include <string_view>
namespace ${NAMESPACE} {
namespace {
constexpr unsigned char bytes[] = {
${bytes}0x00};
}
extern const std::string_view ${SYMBOL};
const std::string_view ${SYMBOL}{reinterpret_cast<const char *>(bytes), sizeof(bytes) - 1};
}
")
    return()
endif()

set(HALFSCOPE_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(halfscope_embed target file symbol namespace)
    set(output ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.embedded.cpp)
    add_custom_command(OUTPUT ${output}
        COMMAND ${CMAKE_COMMAND} -DFILE=${file} -DOUTPUT=${output} -DSYMBOL=${symbol} -DNAMESPACE=${namespace}
                -P ${HALFSCOPE_EMBED_SCRIPT}
        DEPENDS ${file} ${HALFSCOPE_EMBED_SCRIPT}
        COMMENT "Embedding ${symbol}" VERBATIM)
    target_sources(${target} PRIVATE ${output})
endfunction()
