# Puts the Lua side of the library into the binary: prophet_embed(VARIABLE FILE) makes FILE, a C file with the
# tables of engine/script/embedded_impl.h, from lua/, schemas/ and resolvers/, and sets VARIABLE to it.
# The same file is the script that writes it (cmake -P), so that a changed Lua file needs no new configure.

set(PH_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(prophet_embed variable output)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
       lua/*.lua schemas/*.lua resolvers/*.lua)
  list(FILTER files EXCLUDE REGEX "^lua/types/") # stubs for editors
  list(SORT files)
  list(TRANSFORM files PREPEND ${CMAKE_SOURCE_DIR}/ OUTPUT_VARIABLE paths)
  string(REPLACE ";" "," listed "${files}")
  add_custom_command(OUTPUT ${output} VERBATIM
    COMMAND ${CMAKE_COMMAND} -DROOT=${CMAKE_SOURCE_DIR} -DFILES=${listed} -DOUTPUT=${output} -P ${PH_EMBED_SCRIPT}
    DEPENDS ${paths} ${PH_EMBED_SCRIPT} COMMENT "Embedding the Lua modules")
  set(${variable} ${output} PARENT_SCOPE)
endfunction()

# "lua/prophet/fields.lua" is the module prophet.fields, "lua/prophet/init.lua" is prophet; others keep their path.
function(embed_name path variable)
  if(path MATCHES "^lua/(.*)\\.lua$")
    string(REPLACE "/" "." name "${CMAKE_MATCH_1}")
    string(REGEX REPLACE "\\.init$" "" name "${name}")
  else()
    set(name "${path}")
  endif()
  set(${variable} "${name}" PARENT_SCOPE)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE)
  set(arrays "")
  set(rows "")
  set(count 0)
  string(REPLACE "," ";" FILES "${FILES}")
  foreach(path IN LISTS FILES)
    file(READ ${ROOT}/${path} hex HEX)
    string(LENGTH "${hex}" size)
    math(EXPR size "${size} / 2")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n"
           bytes "${bytes}")
    embed_name(${path} name)
    string(APPEND arrays "static const unsigned char file_${count}[] = {\n${bytes}0};\n")
    string(APPEND rows "    { \"${name}\", file_${count}, ${size} },\n")
    math(EXPR count "${count} + 1")
  endforeach()
  file(WRITE ${OUTPUT} "/* Written by engine/packaging/Embed.cmake. */\n#include \"script/embedded_impl.h\"\n${arrays}"
    "const struct ph_embedded ph_embedded_files[] = {\n${rows}    { NULL, NULL, 0 },\n};\n"
    "const size_t ph_embedded_count = ${count};\n")
endif()
