"""Windows of Firefox and of WebKit, the engine of Safari, with the same few methods.

Elements are found by XPath, and waited for. Playwright has only its own builds of these engines.
"""

from tempfile import gettempdir

from marionette_driver.marionette import Marionette
from selenium import webdriver
from selenium.common.exceptions import (
    ElementNotInteractableException,
    NoSuchElementException,
    NoSuchWindowException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait
from selenium.webdriver.webkitgtk.options import Options

PATIENCE_SECONDS = 60


class Firefox:
    """A window without a screen, driven by Firefox's own protocol, since Debian has no geckodriver."""

    def __init__(self, program: str) -> None:
        # On a free port. The log has to be a folder: a file would be deleted first, even a device.
        self._driver = Marionette(bin=program, port=0, headless=True, gecko_log=gettempdir())
        self._driver.start_session()
        self._driver.timeout.implicit = PATIENCE_SECONDS

    def go(self, address: str) -> None:
        self._driver.navigate(address)

    def back(self) -> None:
        self._driver.go_back()

    def reload(self) -> None:
        self._driver.refresh()

    def text(self, path: str) -> str:
        return self._driver.find_element(By.XPATH, path).text

    def click(self, path: str) -> None:
        self._driver.find_element(By.XPATH, path).click()

    def type(self, path: str, text: str) -> None:
        field = self._driver.find_element(By.XPATH, path)
        field.clear()
        field.send_keys(text)

    def enter_frame(self, path: str) -> None:
        self._driver.switch_to_frame(self._driver.find_element(By.XPATH, path))

    def leave_frame(self) -> None:
        self._driver.switch_to_frame()

    def address(self) -> str:
        return self._driver.get_url()

    def focus(self) -> str:
        """Return the id of the field that has the focus."""
        return self._driver.execute_script("return document.activeElement.id")

    def close(self) -> None:
        # Without asking the browser, which may just be busy.
        self._driver.quit(clean=True, in_app=False)


class WebKit:
    """A window of WebKitGTK's test browser, which needs a display."""

    def __init__(self) -> None:
        options = Options()
        options.add_argument("--automation")
        self._driver = webdriver.WebKitGTK(options=options)
        # The driver's own waiting ends with an error if the page is left meanwhile.
        leaving = [NoSuchElementException, NoSuchWindowException, StaleElementReferenceException]
        # Until a page is painted, its elements can neither have the focus nor be clicked.
        not_yet = [*leaving, ElementNotInteractableException]
        self._wait = WebDriverWait(self._driver, PATIENCE_SECONDS, ignored_exceptions=not_yet)

    def go(self, address: str) -> None:
        self._driver.get(address)

    def back(self) -> None:
        self._driver.back()

    def reload(self) -> None:
        self._driver.refresh()

    def text(self, path: str) -> str:
        return self._wait.until(lambda driver: driver.find_element(By.XPATH, path).text)

    def click(self, path: str) -> None:
        def clicked(driver: WebDriver) -> bool:
            driver.find_element(By.XPATH, path).click()
            return True

        self._wait.until(clicked)

    def type(self, path: str, text: str) -> None:
        def typed(driver: WebDriver) -> bool:
            field = driver.find_element(By.XPATH, path)
            field.clear()
            field.send_keys(text)
            return True

        self._wait.until(typed)

    def enter_frame(self, path: str) -> None:
        self._driver.switch_to.frame(self._wait.until(lambda driver: driver.find_element(By.XPATH, path)))

    def leave_frame(self) -> None:
        self._driver.switch_to.default_content()

    def address(self) -> str:
        return self._driver.current_url

    def focus(self) -> str:
        """Return the id of the field that has the focus."""
        return self._driver.execute_script("return document.activeElement.id")

    def close(self) -> None:
        self._driver.quit()


Window = Firefox | WebKit
