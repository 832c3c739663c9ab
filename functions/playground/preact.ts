// The one door to the library that renders the page.
export { type ComponentChild as VNode, type ComponentChildren, Fragment, h, render } from 'preact';
export { useEffect, useMemo, useRef, useState } from 'preact/hooks';
