# find_package(prophet): the targets prophet::prophet (shared) and prophet::prophet_static.
include("${CMAKE_CURRENT_LIST_DIR}/prophetTargets.cmake")
