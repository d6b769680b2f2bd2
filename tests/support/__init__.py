"""Support that tests share: values, a package index, a repository and fakes."""
