// SQLite handles that release themselves and complain in one sentence. Private to trace/io.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace halfscope::trace {

/// An open database. Every failure throws std::runtime_error with "<file>: <what was tried>: <SQLite's reason>".
class Database {
  public:
    /// `flags` and `uri` as sqlite3_open_v2 takes them; `file` is what messages name.
    Database(const std::string &uri, int flags, std::filesystem::path file);

    void execute(const char *sql);
    [[nodiscard]] std::int64_t integer(const char *sql); ///< first column of the first row; 0 when there is none

    [[nodiscard]] sqlite3 *handle() const { return handle_.get(); }
    [[nodiscard]] const std::filesystem::path &file() const { return file_; }
    [[noreturn]] void fail(std::string_view doing) const; ///< with SQLite's reason
    [[noreturn]] void complain(std::string_view what, std::string_view detail) const;

  private:
    struct Close {
        void operator()(sqlite3 *handle) const noexcept { sqlite3_close_v2(handle); }
    };
    std::filesystem::path file_;
    std::unique_ptr<sqlite3, Close> handle_;
};

/// A prepared statement. Parameters are bound in order with <<, then run() or next(); both rewind when they are done.
class Statement {
  public:
    Statement(Database &database, std::string_view sql);

    Statement &operator<<(std::int64_t value);
    Statement &operator<<(bool value) { return *this << static_cast<std::int64_t>(value); }
    Statement &operator<<(std::uint64_t value) { return *this << static_cast<std::int64_t>(value); }
    Statement &operator<<(double value); ///< NaN becomes NULL; every other value keeps its bits
    Statement &operator<<(float value) { return *this << static_cast<double>(value); }
    Statement &operator<<(std::string_view value); ///< bytes must live until run()
    Statement &operator<<(std::span<const std::uint8_t> value);
    Statement &operator<<(const char *) = delete;

    void run();  ///< a statement without result
    bool next(); ///< steps to the next row; false after the last
    void rewind();

    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] bool boolean(int column) const { return integer(column) != 0; }
    [[nodiscard]] double real(int column) const; ///< NULL becomes NaN
    [[nodiscard]] std::string text(int column) const;
    [[nodiscard]] std::span<const std::uint8_t> bytes(int column) const; ///< valid until the next row

  private:
    struct Finalize {
        void operator()(sqlite3_stmt *statement) const noexcept { sqlite3_finalize(statement); }
    };
    void bound(int result);

    Database *database_;
    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
    int next_parameter_ = 1;
};

/// BEGIN on construction, COMMIT by commit(), ROLLBACK otherwise.
class Transaction {
  public:
    explicit Transaction(Database &database);
    ~Transaction();
    Transaction(const Transaction &) = delete;
    Transaction &operator=(const Transaction &) = delete;
    void commit();

  private:
    Database *database_;
};

} // namespace halfscope::trace
