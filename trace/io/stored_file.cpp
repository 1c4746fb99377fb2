#include "trace/io/stored_file.h"

#include "trace/io/schema_text.h"

#include <fmt/format.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>

#include <stdlib.h> // mkdtemp is POSIX; NOLINT(modernize-deprecated-headers)

namespace halfscope::trace {

namespace fs = std::filesystem;

namespace {

constexpr int read_flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;

fs::path journal_of(const fs::path &file) {
    fs::path journal = file;
    journal += "-wal";
    return journal;
}

bool journal_has_content(const fs::path &file) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(journal_of(file), error);
    return !error && size > 0;
}

/// A file name as a URI, so that "?", "#" and "%" in it are not taken for syntax.
std::string uri_of(const fs::path &file, std::string_view query) {
    std::string uri = "file:";
    for (const char c : fs::absolute(file).string()) {
        if (c == '?' || c == '#' || c == '%')
            uri += fmt::format("%{:02x}", static_cast<unsigned char>(c));
        else
            uri += c;
    }
    return uri + std::string(query);
}

/// True when a first read works. A header that is no database is reported here too.
bool readable(Database &database) {
    const int result =
        sqlite3_exec(database.handle(), "BEGIN; SELECT count(*) FROM sqlite_schema;", nullptr, nullptr, nullptr);
    if (result == SQLITE_OK) return true;
    const int primary = result & 0xff;
    if (primary == SQLITE_CANTOPEN || primary == SQLITE_READONLY || primary == SQLITE_IOERR || primary == SQLITE_PERM ||
        primary == SQLITE_PROTOCOL)
        return false;
    if (primary == SQLITE_NOTADB)
        throw std::runtime_error(fmt::format("{}: this is not a HalfScope trace", database.file().string()));
    database.fail("the trace is damaged");
}

fs::path make_private_directory() {
    std::string name = (fs::temp_directory_path() / "halfscope-trace-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
        throw std::runtime_error(fmt::format("{}: cannot make a temporary directory to read the trace in", name));
    return name;
}

} // namespace

StoredFile::StoredFile(const fs::path &directory) : file_(directory / trace_file_name) {
    std::error_code error;
    if (!fs::exists(directory, error))
        throw std::runtime_error(fmt::format("{}: there is no such directory", directory.string()));
    if (!fs::exists(file_, error))
        throw std::runtime_error(fmt::format("{}: there is no trace.db here; give the directory that `halfscope "
                                             "profile --out` wrote to",
                                             directory.string()));
    try {
        open();
        check();
    } catch (...) {
        database_.reset();
        if (!copy_.empty()) fs::remove_all(copy_, error);
        throw;
    }
}

StoredFile::~StoredFile() {
    database_.reset();
    std::error_code ignored;
    if (!copy_.empty()) fs::remove_all(copy_, ignored);
}

void StoredFile::open() {
    database_.emplace(uri_of(file_, "?mode=ro"), read_flags, file_);
    if (readable(*database_)) return;
    if (!journal_has_content(file_)) {
        // Everything is in the main file; "immutable" tells SQLite that it needs no journal and no lock.
        database_.emplace(uri_of(file_, "?immutable=1"), read_flags, file_);
        if (readable(*database_)) return;
    } else {
        copy_ = make_private_directory();
        const fs::path copied = copy_ / trace_file_name;
        std::error_code error;
        fs::copy_file(file_, copied, error);
        if (!error) fs::copy_file(journal_of(file_), journal_of(copied), error);
        if (error) throw std::runtime_error(fmt::format("{}: cannot be read ({})", file_.string(), error.message()));
        fs::permissions(copied, fs::perms::owner_write, fs::perm_options::add, error);
        fs::permissions(journal_of(copied), fs::perms::owner_write, fs::perm_options::add, error);
        database_.emplace(copied.string(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, file_);
        if (readable(*database_)) return;
    }
    database_->fail("cannot be read");
}

void StoredFile::check() {
    Database &database = *database_;
    if (database.integer("PRAGMA application_id") != schema_application_id)
        throw std::runtime_error(fmt::format("{}: this is not a HalfScope trace", file_.string()));
    const std::int64_t version = database.integer("PRAGMA user_version");
    if (version != schema_version)
        throw std::runtime_error(fmt::format("{}: the trace has schema version {}, this program reads version {}; "
                                             "profile again, or use the program that wrote it",
                                             file_.string(), version, schema_version));
    if (!journal_has_content(file_)) {
        std::error_code error;
        const std::uintmax_t size = fs::file_size(file_, error);
        const auto promised =
            static_cast<std::uintmax_t>(database.integer("PRAGMA page_count") * database.integer("PRAGMA page_size"));
        if (!error && size < promised)
            throw std::runtime_error(fmt::format("{}: the trace was cut short ({} of {} bytes are there); copy it "
                                                 "again, or profile again",
                                                 file_.string(), size, promised));
    }
}

} // namespace halfscope::trace
