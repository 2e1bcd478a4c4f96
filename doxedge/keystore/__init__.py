"""Where signing keys live, chosen by the scheme of a URI."""
