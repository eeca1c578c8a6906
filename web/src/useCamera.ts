/** State of the webcam: which one runs, and how its picture is shown. */

import { useCallback, useEffect, useRef, useState, type RefObject } from "react";

import { cameras, closeCamera, openCamera, photoFromVideo, type Facing } from "./capture";
import { Problem } from "./problems";

export interface Camera {
  devices: MediaDeviceInfo[];
  deviceId: string;
  /** Known of a phone's cameras. */
  facing?: Facing;
  mirror: boolean;
  live: boolean;
  /** Another camera was chosen, and is not there yet. */
  starting: boolean;
}

export interface CameraControl {
  camera?: Camera;
  video: RefObject<HTMLVideoElement | undefined>;
  start(wanted?: { deviceId?: string; facing?: Facing }): Promise<void>;
  /** Stop; what was live stays as a photo. */
  leave(): void;
  setMirror(mirror: boolean): void;
  setLive(live: boolean): void;
  /** Take the frame that is shown now, if there has been one. */
  take(): ImageBitmap | undefined;
}

/** @param keep told of a frame that is a photo from now on, since no other follows */
export function useCamera(
  fail: (error: unknown) => void,
  clear: () => void,
  keep: (frame: ImageBitmap) => void,
): CameraControl {
  const [camera, setCamera] = useState<Camera>();
  const video = useRef<HTMLVideoElement>(undefined);
  const mirror = useRef(true);
  const facing = useRef<string>(undefined); // "" where nobody knows
  const live = useRef(false);
  const calls = useRef(0);

  const take = useCallback(
    () => (video.current?.videoWidth ? photoFromVideo(video.current, mirror.current) : undefined),
    [],
  );
  const takeLive = useCallback(() => (live.current ? take() : undefined), [take]);
  const release = useCallback(() => {
    calls.current++; // whoever still waits for a permission gets no camera any more
    const stream = video.current?.srcObject;
    if (stream instanceof MediaStream) closeCamera(stream);
    video.current = undefined;
    live.current = false;
  }, []);
  const stop = useCallback(() => {
    release();
    setCamera(undefined);
  }, [release]);
  const leave = useCallback(() => {
    const frame = takeLive();
    stop();
    if (frame) keep(frame);
  }, [takeLive, stop, keep]);

  const start = useCallback<CameraControl["start"]>(
    async (wanted = {}) => {
      const frame = takeLive();
      if (frame) keep(frame);
      release();
      // Its controls stay, or who has chosen another camera by the keyboard loses the focus.
      const { deviceId } = wanted;
      setCamera((old) => old && { ...old, ...(deviceId && { deviceId }), live: false, starting: true });
      clear();
      const call = calls.current;
      try {
        const stream = await openCamera(wanted);
        if (call !== calls.current) return closeCamera(stream);
        const track = stream.getVideoTracks()[0];
        const { facingMode, deviceId = "" } = track.getSettings();
        // Of a camera that looks the other way; else what was chosen holds.
        if (facing.current !== (facingMode ?? "")) mirror.current = facingMode !== "environment";
        facing.current = facingMode ?? "";
        const player = document.createElement("video");
        player.muted = true;
        player.playsInline = true;
        player.srcObject = stream;
        video.current = player;
        track.onended = () => {
          if (video.current !== player) return;
          leave();
          fail(new Problem("camera-lost"));
        };
        // Not awaited: it waits for the first frame, and a camera may never send one. Whoever wants
        // frames finds out.
        player.play().catch(() => {});
        const devices = await cameras();
        if (video.current !== player) return;
        live.current = true;
        setCamera({
          devices,
          deviceId,
          facing: facingMode as Facing | undefined,
          mirror: mirror.current,
          live: true,
          starting: false,
        });
      } catch (error) {
        if (call !== calls.current) return;
        stop();
        fail(error);
      }
    },
    [fail, clear, stop, release, leave, takeLive, keep],
  );

  // A camera that is plugged in later can be picked too.
  useEffect(() => {
    const { mediaDevices } = navigator;
    const refresh = async () => {
      const devices = await cameras();
      setCamera((state) => state && { ...state, devices });
    };
    mediaDevices?.addEventListener("devicechange", refresh);
    return () => mediaDevices?.removeEventListener("devicechange", refresh);
  }, []);

  return {
    camera,
    video,
    start,
    leave,
    setMirror(value) {
      mirror.current = value;
      setCamera((state) => state && { ...state, mirror: value });
    },
    setLive(value) {
      live.current = value;
      setCamera((state) => state && { ...state, live: value });
    },
    take,
  };
}
