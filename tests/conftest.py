"""Options of the test suite."""


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the results that golden tests compare with; read the diff",
    )
