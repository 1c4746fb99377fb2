# `cmake --install` puts the program, the headers and a package configuration in place.
